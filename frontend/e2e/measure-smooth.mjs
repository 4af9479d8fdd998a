// How smooth the task list is, in figures; it judges nothing:
//   node e2e/measure-smooth.mjs URL [--seconds 20] [--rows 20000]
// First the list is left to follow what arrives, then it is scrolled down as far as --rows. Said are the first content, the
// longest stretch in which the page did nothing else, and the longest time for which a row was on screen without a task.
import { parseArgs } from 'node:util'
import { openBrowser, openPage } from './browser.mjs'

const { positionals: [url = process.env.KANCHI_URL], values } = parseArgs({ allowPositionals: true, options: { seconds: { type: 'string', default: '20' }, rows: { type: 'string', default: '20000' } } })
if (!url) throw new Error('Usage: node e2e/measure-smooth.mjs URL [--seconds N] [--rows N]')
const base = url.replace(/\/$/, '')

/** Runs in the page before anything else. */
function watch() {
  window.longTasks = []
  new PerformanceObserver(list => window.longTasks.push(...list.getEntries().map(entry => entry.duration))).observe({ type: 'longtask', buffered: true })
}

/** Scrolls by some rows each frame; returns for how long at most the screen had a row without a task. */
async function scroll(rows) {
  const scroller = document.querySelector('.task-list > .overflow-auto')
  let blankSince = 0
  let worst = 0
  let reached = 0
  let stuck = 0
  while (reached < rows && stuck < 600) {
    const before = scroller.scrollTop
    scroller.scrollTop += 900
    await new Promise(requestAnimationFrame)
    stuck = scroller.scrollTop === before ? stuck + 1 : 0
    const shown = [...document.querySelectorAll('[data-index]')]
    reached = Math.max(reached, ...shown.map(row => Number(row.dataset.index)))
    const box = scroller.getBoundingClientRect()
    const isBlank = shown.some((row) => {
      const at = row.getBoundingClientRect()
      return !row.dataset.taskId && at.bottom > box.top + 40 && at.top < box.bottom
    }) || shown.length === 0
    const now = performance.now()
    if (!isBlank) blankSince = 0
    else worst = Math.max(worst, now - (blankSince ||= now))
  }
  return { reached, worst: Math.round(worst) }
}

const longest = tasks => Math.round(Math.max(0, ...tasks))
const browser = await openBrowser()
const { context, page } = await openPage(browser, base)
await context.addInitScript(watch)
await page.goto(`${base}/tasks`)
await page.waitForSelector('[data-task-id]', { timeout: 15_000 })
const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime)
console.log(`first content after ${Math.round(paint)} ms`)
await page.waitForTimeout(2000)
await page.evaluate(() => { window.longTasks.length = 0 })
await page.waitForTimeout(Number(values.seconds) * 1000)
const following = await page.evaluate(() => window.longTasks.splice(0))
console.log(`following for ${values.seconds} s: ${following.length} tasks of the main thread above 50 ms, the longest ${longest(following)} ms`)
const { reached, worst } = await page.evaluate(scroll, Number(values.rows))
const scrolling = await page.evaluate(() => window.longTasks.splice(0))
console.log(`scrolled to row ${reached}: a row without its task for ${worst} ms at most; ${scrolling.length} tasks of the main thread above 50 ms, the longest ${longest(scrolling)} ms`)
const heap = await page.evaluate(() => Math.round(performance.memory.usedJSHeapSize / 1048576))
console.log(`heap: ${heap} MiB`)
await browser.close()
