// How the task list does with many tasks stored, in figures; it judges nothing:
//   node e2e/measure-list.mjs URL [--seconds 10] [--name N] [--worker W] [--queue Q] [--json]
// Scrolled by the wheel, by Page Down held, by dragging the bar to the middle, to the end and back to the top: for how long
// at most the screen had a row without its task. Filters as a viewer sets them: from the key or the click until rows are shown.
import { parseArgs } from 'node:util'
import { openBrowser, openPage } from './browser.mjs'
import { firstItem } from './places.mjs'

const { positionals: [url = process.env.KANCHI_URL], values } = parseArgs({
  allowPositionals: true,
  options: { seconds: { type: 'string', default: '10' }, name: { type: 'string' }, worker: { type: 'string' }, queue: { type: 'string' }, times: { type: 'string', default: '5' }, json: { type: 'boolean' } },
})
if (!url) throw new Error('Usage: node e2e/measure-list.mjs URL [--seconds N] [--times N] [--name N] [--worker W] [--queue Q] [--json]')
const base = url.replace(/\/$/, '')
const say = values.json ? () => {} : console.log
const seconds = Number(values.seconds)

/** Runs in the page: looks at each frame whether a row on the screen has no task, and adds up for how long without a break. */
function watchBlanks() {
  const scroller = document.querySelector('.task-list > .overflow-auto')
  const seen = window.blanks = { worst: 0, since: 0, reached: 0 }
  const look = () => {
    const box = scroller.getBoundingClientRect()
    const rows = [...scroller.querySelectorAll('[data-index]')].filter((row) => {
      const at = row.getBoundingClientRect()
      return at.bottom > box.top + 40 && at.top < box.bottom
    })
    for (const row of rows) seen.reached = Math.max(seen.reached, Number(row.dataset.index))
    const now = performance.now()
    if (rows.length && rows.every(row => row.dataset.taskId)) seen.since = 0
    else seen.worst = Math.max(seen.worst, now - (seen.since ||= now))
    requestAnimationFrame(look)
  }
  requestAnimationFrame(look)
}

async function scrolled(page, what, how) {
  await page.evaluate(() => Object.assign(window.blanks, { worst: 0, since: 0 }))
  await how()
  await page.waitForTimeout(600)
  const { worst, reached } = await page.evaluate(() => window.blanks)
  say(`${what}: a row without its task for ${Math.round(worst)} ms at most; row ${reached} reached`)
  return { what, blank_ms: Math.round(worst), reached }
}

async function repeated(how, every) {
  for (const end = Date.now() + seconds * 1000; Date.now() < end;) {
    await how()
    await new Promise(done => setTimeout(done, every))
  }
}

const toShare = (page, share) => page.evaluate((to) => {
  const scroller = document.querySelector('.task-list > .overflow-auto')
  scroller.scrollTop = scroller.scrollHeight * to
}, share)

async function scrollAll(page) {
  await page.goto(`${base}/tasks`)
  await page.waitForSelector('[data-task-id]')
  await page.evaluate(watchBlanks)
  await page.mouse.move(700, 500)
  const results = [
    await scrolled(page, 'wheel', () => repeated(() => page.mouse.wheel(0, 1200), 16)),
    await scrolled(page, 'Page Down held', async () => {
      await page.focus('.task-list > .overflow-auto')
      await repeated(() => page.keyboard.press('PageDown'), 16)
    }),
  ]
  for (const [what, share] of [['the bar to the middle', 0.5], ['the bar to the top', 0], ['the bar to three quarters', 0.75], ['the bar to a quarter', 0.25]]) results.push(await scrolled(page, what, () => toShare(page, share)))
  results.push(await scrolled(page, 'End', () => page.keyboard.press('End')))
  results.push(await scrolled(page, 'Home', () => page.keyboard.press('Home')))
  return results
}

/** Runs in the page: from the next key or click on, until the list has been emptied and has rows again, or says that it has none. */
function timeList() {
  window.listTime = new Promise((done) => {
    let began = 0
    let emptied = false
    const begin = () => { began = performance.now() }
    addEventListener('keydown', begin, true)
    addEventListener('click', begin, true)
    const look = () => {
      const rows = document.querySelectorAll('[data-task-id]').length
      const none = document.querySelector('[data-testid=empty]') !== null
      if (began && rows === 0 && !none) emptied = true
      if (emptied && (rows > 0 || none)) {
        removeEventListener('keydown', begin, true)
        removeEventListener('click', begin, true)
        done(performance.now() - began)
        observer.disconnect()
      }
    }
    // Not once a frame: the answer may come within one.
    const observer = new MutationObserver(look)
    observer.observe(document.querySelector('main'), { subtree: true, childList: true, attributes: true })
  })
}

async function typed(page, text, choose) {
  const field = page.locator('[data-testid=filter]')
  await field.click()
  await field.pressSequentially(text)
  if (choose) await page.locator(`[role=option]:has-text("${choose}")`).first().waitFor()
  else await page.waitForTimeout(300)
  await page.evaluate(timeList)
  await field.press('Enter')
}

async function filters() {
  const one = await firstItem(base, 'tasks?limit=1&status=success')
  const [name, worker, queue] = [values.name ?? one.name, values.worker ?? one.worker_id, values.queue ?? one.queue]
  const click = button => async (page) => {
    await page.evaluate(timeList)
    await page.click(button)
  }
  return [
    ['status failure', click('button[aria-pressed]:has-text("Failure")')],
    ['status success', click('button[aria-pressed]:has-text("Success")')],
    ['status revoked', click('button[aria-pressed]:has-text("Revoked")')],
    ['name', page => typed(page, `name:${name}`, name)],
    ['worker', page => typed(page, `worker:${worker}`, worker)],
    ['queue', page => typed(page, `queue:${queue}`, queue)],
    ['text that many have', page => typed(page, 'note')],
    ['text that none has', page => typed(page, 'there is no such text')],
    ['a whole id', page => typed(page, one.id)],
    ['last hour', async (page) => {
      await page.click('[aria-label="Filter by time range"]')
      await click('button[aria-pressed]:has-text("Hour")')(page)
    }],
    ['oldest first', click('[aria-label="Sort: newest first"]')],
  ]
}

async function filterAll(page) {
  const results = []
  for (const [what, how] of await filters()) {
    const took = []
    for (let i = 0; i < Number(values.times); i++) {
      await page.goto(`${base}/tasks`)
      await page.waitForSelector('[data-task-id]')
      await page.waitForTimeout(500)
      await how(page)
      took.push(Math.round(await page.evaluate(() => Promise.race([window.listTime, new Promise(done => setTimeout(done, 15_000, 15_000))]))))
    }
    say(`${what}: rows after ${took.join(', ')} ms`)
    results.push({ what, ms: took })
  }
  return results
}

const browser = await openBrowser()
try {
  const { page } = await openPage(browser, base)
  const scrolls = await scrollAll(page)
  const found = await filterAll(page)
  if (values.json) console.log(JSON.stringify({ scrolls, filters: found }))
} finally {
  await browser.close()
}
