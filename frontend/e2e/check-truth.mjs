// Looks at the dashboard for a test that sets up situations; tests/e2e/truth_test.py starts it:
//   node e2e/check-truth.mjs URL
// Serves one browser: POST / with {"scene": NAME, "facts": {…}} plays a scene of e2e/truth/ and answers {"error": null}
// or what was not seen. A scene may leave pages open for a later one (`keep`), to look at them after something has happened.
import { createServer } from 'node:http'
import { openBrowser } from './browser.mjs'
import { Stage } from './truth/stage.mjs'
import * as crowd from './truth/crowd.mjs'
import * as actions from './truth/actions.mjs'
import * as fleet from './truth/fleet.mjs'
import * as outage from './truth/outage.mjs'
import * as page from './truth/page.mjs'
import * as tasks from './truth/tasks.mjs'

const SCENES = { ...actions, ...crowd, ...fleet, ...outage, ...page, ...tasks }
const url = process.argv[2]
if (!url) throw new Error('Usage: node e2e/check-truth.mjs URL')

const browser = await openBrowser()
const stage = new Stage(browser, url.replace(/\/$/, ''))

async function play({ scene, facts }) {
  try {
    if (!SCENES[scene]) throw new Error('there is no such scene')
    await SCENES[scene](stage, facts ?? {})
    return null
  } catch (error) {
    return `${scene}: ${error.message}\n${error.stack?.split('\n').find(line => line.includes('/truth/') && !line.includes('stage.mjs'))?.trim() ?? ''}\n${await stage.shown()}`
  } finally {
    await stage.tidy()
  }
}

const server = createServer(async (request, response) => {
  let body = ''
  for await (const chunk of request) body += chunk
  response.setHeader('Content-Type', 'application/json')
  response.end(JSON.stringify({ error: await play(JSON.parse(body)) }))
})
server.listen(0, '127.0.0.1', () => console.log(`listening on ${server.address().port}`))
process.on('SIGTERM', async () => {
  await browser.close()
  process.exit(0)
})
