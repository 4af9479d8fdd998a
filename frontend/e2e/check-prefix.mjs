// Uses the dashboard behind a proxy that serves it under a path of its own:
//   node e2e/check-prefix.mjs URL   (such as https://127.0.0.1:8443/kanchi)
// Checked: a page and a deep link work, the WebSocket is open, links stay below the path, and nothing is asked for
// outside of it.
import { fail, openBrowser, openPage } from './browser.mjs'

const base = (process.argv[2] ?? '').replace(/\/$/, '')
if (!base) throw new Error('Usage: node e2e/check-prefix.mjs URL')
const prefix = new URL(base).pathname

const browser = await openBrowser()
try {
  const { page, complaints } = await openPage(browser, base, { ignoreHTTPSErrors: true })
  page.on('request', (request) => {
    const { pathname } = new URL(request.url())
    if (!pathname.startsWith(`${prefix}/`)) fail(`asked for ${pathname}`)
  })
  page.on('response', (response) => {
    if (response.status() >= 400) fail(`${response.status()} for ${response.url()}`)
  })
  page.on('websocket', (socket) => {
    if (!new URL(socket.url()).pathname.startsWith(`${prefix}/`)) fail(`WebSocket to ${socket.url()}`)
  })
  const live = () => page.waitForSelector('[data-testid=connection][data-state=open]', { timeout: 20_000 })
  await page.goto(`${base}/`)
  await live()
  await page.click('nav a[href$="/workers"]')
  await page.waitForURL(`${base}/workers`)
  await page.goto(`${base}/settings`)
  await live()
  await page.waitForSelector('h1', { state: 'attached' })
  for (const complaint of complaints) fail(complaint)
  console.log(`${base}: ok`)
} finally {
  await browser.close()
}
