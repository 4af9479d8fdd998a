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

/** Failures are grouped by the exception with which they ended, wherever Kanchi learned it. */
export async function failuresAreGroupedByTheirException(stage, { name, exception, count }) {
  const page = await stage.open('/')
  await until(async () => {
    const lines = (await page.locator('main a').filter({ hasText: name }).allInnerTexts()).map(words)
    equal(lines.length, 1, `groups of ${name}: ${lines.join(' | ')}; their number`)
    return lines[0].includes(exception) && new RegExp(`\\b${count}\\b`).test(lines[0])
  }, `one group of ${count} ${exception}`, 30_000)
}
