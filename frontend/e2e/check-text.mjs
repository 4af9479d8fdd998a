// Text that would be a script somewhere else is text here:
//   node e2e/check-text.mjs URL TASK_ID TEXT
// TEXT must be visible on the pages that show it, and nothing of it may run or become an element.
import { fail, openBrowser, openPage } from './browser.mjs'

const [,, url, id, text] = process.argv
if (!url || !id || !text) throw new Error('Usage: node e2e/check-text.mjs URL TASK_ID TEXT')
const base = url.replace(/\/$/, '')

const browser = await openBrowser()
try {
  const { page, complaints } = await openPage(browser, base)
  for (const path of ['/tasks', `/tasks/${encodeURIComponent(id)}`, '/workers', '/']) {
    await page.goto(base + path)
    await page.waitForFunction(wanted => document.querySelector('main')?.textContent.includes(wanted), text, { timeout: 20_000 })
      .catch(() => fail(`${path}: the text is not shown`))
    const { ran, made } = await page.evaluate(() => ({ ran: window.kanchiRan === true, made: document.querySelectorAll('main script, main img').length }))
    if (ran) fail(`${path}: it ran`)
    if (made) fail(`${path}: ${made} elements came out of it`)
  }
  for (const complaint of complaints) fail(complaint)
} catch (error) {
  fail(error.message)
} finally {
  await browser.close()
}
if (!process.exitCode) console.log('OK')
