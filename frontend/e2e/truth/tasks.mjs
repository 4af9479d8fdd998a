// Tasks: what became of them, and lists that count what they say.
import { check, equal, sees, seesNot, until, words } from './stage.mjs'

const main = page => page.locator('main')
const at = id => `/tasks/${encodeURIComponent(id)}`
const textOf = async page => words(await main(page).innerText())

/** What stands beside a label of the facts. */
async function fact(page, label) {
  const found = main(page).locator('dl div, dl > *', { has: page.locator('dt', { hasText: label }) }).locator('dd').first()
  return words(await found.innerText())
}

/** A running task whose worker is offline says so, beside the worker and in the list, and its clock stands still. */
export async function aTaskOfADeadWorkerStopsItsClock(stage, { id, worker }) {
  const page = await stage.open(at(id))
  await sees(main(page), worker)
  await until(async () => /offline/i.test(await textOf(page)), 'the page of the task says that its worker is offline')
  await sees(main(page), /probably lost/i)
  const before = await fact(page, 'Runtime')
  check(!/…|\.\.\./.test(before), `the runtime goes on: ${before}`)
  await page.waitForTimeout(2500)
  equal(await fact(page, 'Runtime'), before, 'the runtime, 2.5 s later')
  await stage.go(page, '/tasks?status=started')
  const row = page.locator(`[data-task-id="${id}"]`)
  await row.waitFor()
  await until(async () => /offline/i.test(await row.innerText()) || await row.locator('[aria-label*="offline" i], [title*="offline" i]').count() > 0, 'its row says offline')
  check(!/…/.test((await row.locator('.cell-runtime').innerText().catch(() => ''))), 'the runtime in the list goes on')
}

/** A task that had started is not "revoked before it started", and its runtime is not the time after its worker's death. */
export async function aTaskThatRanWasNotRevokedBefore(stage, { id, atMost }) {
  const page = await stage.open(at(id))
  await page.locator('main [data-status=revoked]').first().waitFor()
  await seesNot(main(page), /before it (ran|started)/i)
  const runtime = await fact(page, 'Runtime')
  const seconds = [...runtime.matchAll(/([\d.]+)\s*(h|m(?!s)|s)/g)].reduce((sum, [, n, unit]) => sum + Number(n) * { h: 3600, m: 60, s: 1 }[unit], 0)
  check(seconds <= atMost, `the runtime is ${runtime}; it ran for at most ${atMost} s`)
}

/** As long as a search goes on, the list says that it searches and can be stopped, and does not say that nothing matches. */
export async function aSearchSaysThatItSearches(stage, { needle, id }) {
  const page = await stage.open('/tasks')
  let go
  const held = new Promise((resolve) => { go = resolve })
  await page.route(url => url.pathname.endsWith('/api/v1/tasks') && url.searchParams.get('q') === needle, async (route) => {
    await held
    return route.continue()
  })
  await stage.go(page, `/tasks?q=${needle}`)
  await sees(main(page), /searching/i)
  await seesNot(main(page), /no matching tasks/i)
  await page.getByTestId('stop-search').waitFor()
  go()
  await page.locator(`[data-task-id="${id}"]`).waitFor()
  await page.getByTestId('searching').waitFor({ state: 'detached' })
  await stage.go(page, '/tasks?q=nothing-has-this-text')
  await sees(main(page), /no matching tasks/i)
}

/** The strip above a text search says that it is not filtered by the text. */
export async function theStripSaysWhatItCounts(stage, { needle, id }) {
  const page = await stage.open(`/tasks?q=${needle}`)
  await page.locator(`[data-task-id="${id}"]`).waitFor()
  await sees(page.getByTestId('activity'), /not filtered by text/i)
}

/** A waterfall of events whose clocks disagree: nothing runs backwards. */
export async function theWaterfallRunsForward(stage, { skewed, retried }) {
  const page = await stage.open(at(skewed))
  const attempt = main(page).locator('ol li', { hasText: /attempt 1/i }).first()
  await attempt.waitFor()
  const parts = words(await attempt.innerText())
  const seconds = word => Number(new RegExp(`${word} ([\\d.]+)\\s?ms`, 'i').exec(parts)?.[1] ?? 0)
  check(seconds('queued') <= 5, `a task that was received at once: ${parts}`)
  check(seconds('prefetched') >= 100, `a task that waited at the worker: ${parts}`)
  await stage.go(page, at(retried))
  await main(page).locator('ol li', { hasText: /attempt 2/i }).first().waitFor()
  await until(async () => /scheduled/i.test(await textOf(page)), 'the wait for the time of a retry is "scheduled"')
}

/** Rows stand in the order of the times that they show. */
export async function rowsAreInTheOrderTheyShow(stage, { name }) {
  const page = await stage.open(`/tasks?name=${name}`)
  await page.locator('[data-task-id]').nth(5).waitFor()
  const times = await page.locator('[data-task-id] .cell-seen').evaluateAll(cells => cells.map(cell => cell.textContent.trim()))
  equal(times, [...times].sort().reverse(), 'times from the top')
}

/** Figures of ended tasks lead to lists of tasks that ended in that time, and count as many. */
export async function figuresLeadToWhatTheyCount(stage, { name, failed }) {
  const page = await stage.open('/')
  const panel = page.locator('section, .panel').filter({ has: page.getByRole('heading', { name: /^Failures/ }) }).last()
  await until(async () => words(await panel.innerText()).includes(name), 'the failures on the overview')
  const group = panel.getByRole('link').filter({ hasText: name }).first()
  const count = Number(/\b(\d+)\b/.exec((await group.innerText()).replace(/^.*(unknown exception|Declined)/s, ''))?.[1])
  const href = await group.getAttribute('href')
  check(/time=ended/.test(href), `the group leads to ${href}`)
  await group.click()
  await page.waitForURL(/\/tasks\?/)
  await until(async () => await page.locator('[data-task-id]').count() === failed, `${failed} rows of failures, ended in the last hour`)
  await until(async () => (await page.locator('[data-task-id]').evaluateAll(found => found.map(row => row.querySelector('[data-status]')?.dataset.status))).every(status => status === 'failure'), 'only failures')
  equal(count, failed, 'the figure of the group')
}

/** A period of the time of ending has the tasks that ended in it, and no others; one of first seen has those first seen. */
export async function aPeriodCanBeOfTheEnd(stage, { from, to, ended, waiting }) {
  const row = id => page.locator(`[data-task-id="${id}"]`)
  const page = await stage.open(`/tasks?time=ended&from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`)
  await row(ended).waitFor()
  equal(await row(waiting).count(), 0, 'a task that has not ended is in the list; rows')
  await sees(main(page), /^Finished/)
  await stage.go(page, `/tasks?from=${encodeURIComponent(from)}&to=${encodeURIComponent(to)}`)
  await row(waiting).waitFor()
  equal(await row(ended).count(), 0, 'a task first seen before the period is in the list of first seen; rows')
}

/** Failures are grouped by the exception with which they ended, wherever Kanchi learned it. */
export async function failuresAreGroupedByTheirException(stage, { name, exception, count }) {
  const page = await stage.open('/')
  await until(async () => {
    const lines = (await page.locator('main a').filter({ hasText: name }).allInnerTexts()).map(words)
    equal(lines.length, 1, `groups of ${name}: ${lines.join(' | ')}; their number`)
    return lines[0].includes(exception) && new RegExp(`\\b${count}\\b`).test(lines[0])
  }, `one group of ${count} ${exception}`, 30_000)
}

/** A workflow says which of its tasks Kanchi cannot link. */
export async function aChordSaysWhatIsNotLinked(stage, { id }) {
  const page = await stage.open(at(id))
  await until(async () => /2 tasks/.test(await textOf(page)), 'the callback and the last task before it are linked')
  await sees(main(page), /members of a group or chord may be missing/i)
}

/** A time before Kanchi was there is unknown in the chart, not 0. */
export async function anHourBeforeKanchiIsUnknown(stage) {
  const page = await stage.open('/?last=1h')
  const chart = page.getByRole('application', { name: /finished tasks per/i })
  await chart.focus()
  await page.keyboard.press('Home')
  await until(async () => /unknown/.test(words(await page.getByTestId('chart-tip').innerText())), 'the first minute of the chart is unknown')
  await page.keyboard.press('End')
  await until(async () => /not over yet/.test(words(await page.getByTestId('chart-tip').innerText())), 'the last minute of the chart is not over yet')
}
