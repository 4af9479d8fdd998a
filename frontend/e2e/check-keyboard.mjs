// The main paths by keyboard alone:
//   node e2e/check-keyboard.mjs URL
import { fail, openBrowser, openPage } from './browser.mjs'

const url = process.argv[2] ?? process.env.KANCHI_URL
if (!url) throw new Error('Usage: node e2e/check-keyboard.mjs URL')
const base = url.replace(/\/$/, '')
const PATIENCE = { timeout: 15_000 }

async function press(page, ...keys) {
  for (const key of keys) await page.keyboard.press(key)
}

async function run(page) {
  await page.goto(`${base}/`)
  await page.waitForSelector('[data-testid=connection][data-state=open]', PATIENCE)

  await press(page, 'g', 't')
  await page.waitForURL('**/tasks', PATIENCE)
  await page.waitForSelector('[data-task-id]', PATIENCE)

  // A row gets the focus, is chosen, and the next one too; Escape lets go of both.
  await press(page, 'j')
  await page.waitForFunction(() => document.activeElement?.closest('[data-task-id]') !== null, null, PATIENCE)
  await press(page, 'x', 'j', 'x')
  await page.waitForFunction(() => /^2 tasks selected/.test(document.querySelector('[data-testid=selection]')?.innerText.trim() ?? ''), null, PATIENCE)
  await press(page, 'Escape')
  await page.waitForSelector('[data-testid=selection]', { ...PATIENCE, state: 'detached' })

  // The filter: a field, a value, a chip; Backspace takes it away.
  await press(page, '/')
  await page.keyboard.type('status:succ')
  await page.locator('[role=option] >> text=Succeeded').waitFor(PATIENCE)
  await press(page, 'Enter')
  await page.waitForURL('**/tasks?status=success', PATIENCE)
  await press(page, 'Backspace')
  await page.waitForURL(address => address.pathname === '/tasks' && !address.search, PATIENCE)
  await press(page, 'Escape', 'Escape')

  // Into a task and back.
  await page.waitForSelector('[data-task-id]', PATIENCE)
  await press(page, 'j', 'Enter')
  await page.waitForSelector('[data-testid=task-id]', PATIENCE)
  await page.goBack()

  await press(page, '?')
  await page.locator('[role=dialog] >> text=Keyboard').first().waitFor(PATIENCE)
  await press(page, 'Escape')
  await page.waitForSelector('[role=dialog]', { ...PATIENCE, state: 'detached' })

  await press(page, 'Control+k')
  await page.locator('[role=dialog] input').waitFor(PATIENCE)
  await page.keyboard.type('queues')
  await page.locator('[role=option] >> text=Queues').first().waitFor(PATIENCE)
  await press(page, 'Enter')
  await page.waitForURL('**/queues', PATIENCE)
  await everythingCanBeReached(page)
}

/** Tab comes to each link and button that is on the screen. */
async function everythingCanBeReached(page) {
  const wanted = await page.evaluate(() => {
    const all = [...document.querySelectorAll('a[href], button, input')].filter(one => one.checkVisibility() && !one.disabled && one.tabIndex >= 0 && one.type !== 'radio')
    all.forEach((one, i) => { one.dataset.tab = String(i) })
    document.body.focus()
    document.activeElement?.blur()
    return all.length
  })
  const reached = new Set()
  for (let i = 0; i < wanted + 40; i++) {
    await page.keyboard.press('Tab')
    reached.add(await page.evaluate(() => document.activeElement?.dataset?.tab))
  }
  reached.delete(undefined)
  if (reached.size < wanted) fail(`Tab reaches ${reached.size} of ${wanted} controls`)
}

const browser = await openBrowser()
try {
  const { page, complaints } = await openPage(browser, base)
  await run(page)
  for (const complaint of complaints) fail(complaint)
} catch (error) {
  fail(error.message)
} finally {
  await browser.close()
}
if (!process.exitCode) console.log('OK')
