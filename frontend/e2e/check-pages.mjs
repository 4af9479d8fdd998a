// Opens every page on a running Kanchi, wide and as a phone, and says what is wrong with it:
//   node e2e/check-pages.mjs URL
// Checked: it has a heading, nothing is requested from elsewhere, nothing breaks the content security policy, nothing
// is thrown, nothing is wider than the screen, each control has a name, axe finds nothing serious, and the first load is
// small enough. Both themes are looked at.
import { violations } from './axe.mjs'
import { fail, openBrowser, openPage } from './browser.mjs'
import { places } from './places.mjs'

const url = process.argv[2] ?? process.env.KANCHI_URL
if (!url) throw new Error('Usage: node e2e/check-pages.mjs URL')
const base = url.replace(/\/$/, '')
const MOST_FIRST_LOAD = 280 * 1024
const SIZES = [{ viewport: { width: 1440, height: 900 } }, { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }]

/** Controls that a screen reader could not name. */
function namelessControls() {
  return [...document.querySelectorAll('button, a[href], input, [role=meter]')]
    .filter(control => control.checkVisibility() && !(control.getAttribute('aria-label') || control.textContent.trim() || control.labels?.length || control.title))
    .map(control => control.outerHTML.slice(0, 120))
}

async function checkPage(page, path) {
  await page.goto(base + path)
  await page.waitForSelector('[data-testid=connection][data-state=open]', { timeout: 30_000 }).catch(() => fail(`${path}: never live`))
  await page.waitForSelector('h1', { timeout: 30_000, state: 'attached' }).catch(() => {})
  await page.waitForTimeout(800)
  const headings = await page.locator('h1').count()
  if (headings !== 1) fail(`${path}: ${headings} first headings`)
  const wider = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth)
  if (wider > 0) fail(`${path}: ${wider} pixels wider than the screen`)
  for (const control of await page.evaluate(namelessControls)) fail(`${path}: a control without a name: ${control}`)
  for (const violation of await violations(page)) fail(`${path}: ${violation}`)
}

async function checkFirstLoad(browser) {
  const { context, page } = await openPage(browser, base)
  const session = await context.newCDPSession(page)
  await session.send('Network.enable')
  const sizes = new Map()
  const wanted = new Map()
  // What is fetched ahead for other pages has the lowest priority, and is no part of it.
  session.on('Network.requestWillBeSent', ({ requestId, request }) => {
    if (!request.url.includes('/api/') && request.initialPriority !== 'VeryLow') wanted.set(requestId, request.url)
  })
  session.on('Network.loadingFinished', ({ requestId, encodedDataLength }) => {
    const address = wanted.get(requestId)
    if (address) sizes.set(address, Math.max(encodedDataLength, sizes.get(address) ?? 0))
  })
  await page.goto(`${base}/`)
  await page.waitForSelector('dl dd')
  await page.waitForTimeout(1500)
  const bytes = [...sizes.values()].reduce((sum, size) => sum + size, 0)
  console.log(`first load: ${Math.round(bytes / 1024)} KiB`)
  if (bytes > MOST_FIRST_LOAD) fail(`the first load has ${bytes} bytes`)
  await context.close()
}

const browser = await openBrowser()
try {
  const all = await places(base)
  for (const size of SIZES) {
    for (const colorScheme of ['light', 'dark']) {
      const { context, page, complaints } = await openPage(browser, base, { ...size, colorScheme })
      for (const [, path] of all) await checkPage(page, path)
      for (const complaint of complaints) fail(`${complaint} (${colorScheme})`)
      await context.close()
    }
  }
  await checkFirstLoad(browser)
} catch (error) {
  fail(error.message)
} finally {
  await browser.close()
}
if (!process.exitCode) console.log('OK')
