// Hundreds of workers and of queues that nobody consumes.
import { PHONE, check, equal, fitsSideways, sees, seesNot, until, words } from './stage.mjs'

const MOST_NODES = 3000
const rows = page => page.locator('main [data-worker-id]')

async function fewNodes(page, what) {
  const nodes = await page.evaluate(() => document.querySelectorAll('*').length)
  check(nodes < MOST_NODES, `${what} has ${nodes} DOM nodes`)
}

/** Only what is seen of all workers is in the page, in either form, and the last one can be scrolled to. */
export async function manyWorkersAreALightPage(stage, { last }) {
  for (const options of [{}, PHONE]) {
    const page = await stage.open('/workers', options)
    await rows(page).first().waitFor()
    await fewNodes(page, '/workers')
    const ids = await rows(page).evaluateAll(found => found.map(row => row.dataset.workerId))
    equal(ids.length, new Set(ids).size, 'a worker is in the page more than once; rows')
    await until(async () => {
      await page.evaluate(() => {
        for (let at = document.querySelector('main [data-worker-id]').parentElement; at; at = at.parentElement) at.scrollTop = at.scrollHeight
      })
      return await page.locator(`main [data-worker-id="${last}"]`).isVisible()
    }, `${last} is at the end of the list`)
    await fewNodes(page, '/workers, scrolled')
  }
}

export async function longNamesFitAPhone(stage) {
  const page = await stage.open('/workers', PHONE)
  await rows(page).first().waitFor()
  await fitsSideways(page, '/workers')
  const widest = await rows(page).evaluateAll(found => Math.max(...found.map(row => row.getBoundingClientRect().right)))
  check(widest <= PHONE.viewport.width, `a worker reaches to ${widest} px`)
  for (const path of ['/', '/tasks', '/queues', '/system']) {
    await stage.go(page, path)
    await page.locator('h1').first().waitFor({ state: 'attached' })
    await fitsSideways(page, path)
  }
}

/** Like things are one line, which leads to what it counts. */
export async function likeTroublesAreOneLine(stage, { queues }) {
  const page = await stage.open('/')
  const health = page.getByTestId('health-line')
  const line = health.getByRole('link', { name: new RegExp(`${queues} queues`) })
  await line.waitFor()
  const lines = await health.getByRole('listitem').count()
  check(lines <= 7, `the overview shows ${lines} lines of troubles`)
  check(!/queue stranded/i.test(words(await health.innerText())), 'a stranded queue still has a line of its own')
  await line.click()
  await page.waitForURL(/\/queues\?/)
  await sees(page.locator('main'), new RegExp(`\\b${queues}\\b`))
  await page.locator('main [data-queue]').first().waitFor()
  equal(await page.locator('main [data-queue]:not([data-stranded])').count(), 0, 'queues of another kind in the filtered list')
}

/** The verdict in the header is of the fleet too. */
export async function theHeaderIsNotWellBesideTroubles(stage, { queues }) {
  const page = await stage.open('/')
  for (const path of ['/', '/tasks', '/workers', '/queues', '/system', '/settings']) {
    await stage.go(page, path)
    const verdict = page.getByTestId('health')
    await until(async () => ['warning', 'error'].includes(await verdict.getAttribute('data-level')), `${path}: the header says that something is wrong`)
    const said = words(await verdict.innerText())
    check(!/\b(ok|well|normal)\b/i.test(said), `${path}: the header says ${said}`)
    await verdict.click()
    await sees(page, new RegExp(`${queues} queues`))
    await page.keyboard.press('Escape')
  }
}

/** Counts above 99 are "99+", and do not cover the icon of their section on a phone. */
export async function badgesAreShort(stage) {
  const page = await stage.open('/', PHONE)
  const link = page.getByRole('navigation').getByRole('link', { name: /Queues/ })
  await until(async () => /99\+/.test(await link.innerText()), 'the badge of queues says 99+')
  const badge = link.getByText('99+', { exact: true })
  const { width } = await badge.boundingBox()
  check(width < 40, `the badge is ${width} px wide`)
}

/** Histories of all queues come at once, and are wide enough to be read. */
export async function everyQueueHasItsLine(stage) {
  const page = await stage.open('/settings')
  const asked = []
  page.on('request', request => asked.push(new URL(request.url()).pathname))
  await page.getByRole('navigation').getByRole('link', { name: /Queues/ }).click()
  const line = page.locator('main [data-queue] svg[viewBox="0 0 120 36"]').first()
  await line.waitFor()
  const { width } = await line.boundingBox()
  check(width >= 96, `a line is ${width} px wide`)
  const histories = asked.filter(path => /queues/.test(path))
  check(histories.length <= 8, `${histories.length} requests for the queues: ${histories.slice(0, 3)}`)
}

export async function manyQueuesAreALightPage(stage) {
  for (const options of [{}, PHONE]) {
    const page = await stage.open('/queues', options)
    await page.locator('main [data-queue]').first().waitFor()
    await fewNodes(page, '/queues')
  }
}

/** No column of the workers' table is cut off without a sign, and all rows are of one height. */
export async function theWorkersTableIsWhole(stage) {
  for (const width of [1024, 1440]) {
    const page = await stage.open('/workers', { viewport: { width, height: 900 } })
    await rows(page).first().waitFor()
    await fitsSideways(page, '/workers')
    const cut = await page.evaluate(() => {
      const row = document.querySelector('main [data-worker-id]')
      for (let at = row.parentElement; at && at.tagName !== 'MAIN'; at = at.parentElement) {
        if (at.scrollWidth > at.clientWidth + 1 && getComputedStyle(at).overflowX !== 'visible') return at.closest('[data-more]') ? null : at.scrollWidth - at.clientWidth
      }
      return null
    })
    check(cut === null, `at ${width} px the table of workers is cut off by ${cut} px without a sign`)
    const heights = await rows(page).evaluateAll(found => [...new Set(found.map(row => Math.round(row.getBoundingClientRect().height)))])
    check(Math.max(...heights) - Math.min(...heights) <= 1, `at ${width} px rows are ${heights} px high`)
  }
}

/** A dismissed trouble is hidden from everybody, listed on request, and back when somebody wants it so. */
export async function aDismissedTroubleIsHidden(stage, { queues }) {
  const trouble = new RegExp(`${queues} queues`)
  const lineOn = page => page.getByTestId('health-line').getByRole('link', { name: trouble }).first()
  const page = await stage.open('/')
  await lineOn(page).waitFor()
  await page.getByTestId('health-line').getByRole('button', { name: /Dismiss/ }).first().click()
  await lineOn(page).waitFor({ state: 'hidden' })
  await sees(page.getByTestId('health-line'), /1 dismissed/)
  await seesNot(page, /All systems normal/)
  const other = await stage.open('/')
  await sees(other.getByTestId('health-line'), /1 dismissed/)
  await seesNot(other.getByTestId('health-line'), trouble)
  await other.getByRole('button', { name: 'Show dismissed' }).click()
  await lineOn(other).waitFor()
  await other.getByRole('button', { name: /Show again/ }).click()
  await sees(other.getByTestId('health-line'), trouble)
  await seesNot(other.getByTestId('health-line'), /dismissed/)
  const [shown, hidden] = (await stage.get('/audit?action=dismiss')).items
  equal([shown.request.dismissed, hidden.request.dismissed], [false, true], 'the audit')
  await stage.go(other, '/audit?action=dismiss')
  await sees(other.locator('main'), /Dismiss issue/)
  equal([...page.complaints, ...other.complaints], [], 'the console has')
}
