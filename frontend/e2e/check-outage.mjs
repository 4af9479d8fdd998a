// What the page does when the gateway goes away and comes back:
//   node e2e/check-outage.mjs URL --stop COMMAND --start COMMAND [--away MS]
// The page must say that it is not live, must not throw, must come back by itself, and must then show tasks that are
// newer than the outage.
import { execSync, spawn } from 'node:child_process'
import { parseArgs } from 'node:util'
import { fail, openBrowser, openPage } from './browser.mjs'

const { positionals: [url = process.env.KANCHI_URL], values } = parseArgs({
  allowPositionals: true,
  options: { stop: { type: 'string' }, start: { type: 'string' }, away: { type: 'string', default: '5000' } },
})
if (!url || !values.stop || !values.start) throw new Error('Usage: node e2e/check-outage.mjs URL --stop COMMAND --start COMMAND [--away MS]')
const base = url.replace(/\/$/, '')
const connection = '[data-testid=connection]'

const browser = await openBrowser()
try {
  const { page, complaints } = await openPage(browser, base)
  await page.goto(`${base}/tasks`)
  await page.waitForSelector(`${connection}[data-state=open]`, { timeout: 10_000 })
  await page.evaluate(() => { window.kanchiSameDocument = true })
  const newest = () => page.locator('[data-task-id]').first().getAttribute('data-task-id', { timeout: 15_000 })
  const before = await newest()

  execSync(values.stop, { stdio: 'inherit' })
  // A gateway that stands still closes nothing: the page finds out by its silence.
  await page.waitForSelector(`${connection}:not([data-state=open])`, { timeout: 45_000 })
  await page.waitForTimeout(1000)
  const said = await page.locator(connection).innerText()
  if (!/Reconnecting/.test(said)) fail(`the header says ${said} while the gateway is away`)
  await page.waitForTimeout(Number(values.away))

  spawn('sh', ['-c', values.start], { detached: true, stdio: 'ignore' }).unref()
  const began = Date.now()
  await page.waitForSelector(`${connection}[data-state=open]`, { timeout: 30_000 })
  console.log(`live again after ${Date.now() - began} ms`)
  await page.waitForFunction(id => document.querySelector('[data-task-id]')?.getAttribute('data-task-id') !== id, before, { timeout: 15_000 })
    .catch(() => fail('nothing new is shown after the outage'))
  if (!await page.evaluate(() => window.kanchiSameDocument === true)) fail('the page was loaded anew')
  for (const complaint of complaints) fail(complaint)
  if (!process.exitCode) console.log('OK')
} catch (error) {
  fail(error.message)
} finally {
  await browser.close()
}
