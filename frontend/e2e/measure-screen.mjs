// How busy the page keeps its main thread, in figures; it judges nothing:
//   node e2e/measure-screen.mjs URL [--seconds 60] [--only tasks] [--collect] [--untraced] [--profile FOLDER] [--json]
// Opens the overview, the task list, the workers, one of them and the queues, one after the other, and leaves each open for so long; the
// task list once more, scrolled as fast as it goes. Said are the first content, how long after their data the first rows stand, how many elements the page has, the tasks of the main thread above 50 ms
// with what ran in them, and the JavaScript heap over time. A trace says for how much of a long task the page had a processor:
// the rest it waited for one. --untraced leaves that out, for long runs. --collect frees garbage before the heap is read;
// --profile leaves a CPU profile of each.
import { writeFileSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { openBrowser, openPage } from './browser.mjs'
import { firstItem } from './places.mjs'
import { longTasksOf } from './trace.mjs'

const { positionals: [url = process.env.KANCHI_URL], values } = parseArgs({
  allowPositionals: true,
  options: {
    seconds: { type: 'string', default: '60' }, samples: { type: 'string', default: '12' }, only: { type: 'string', multiple: true },
    collect: { type: 'boolean' }, untraced: { type: 'boolean' }, profile: { type: 'string' }, json: { type: 'boolean' },
  },
})
if (!url) throw new Error('Usage: node e2e/measure-screen.mjs URL [--seconds N] [--only PAGE] [--collect] [--untraced] [--profile FOLDER] [--json]')
const base = url.replace(/\/$/, '')
const seconds = Number(values.seconds)
const MEBI = 1048576
const say = values.json ? () => {} : console.log

/** Runs in the page before anything else: notes long tasks, and what ran in the frames that took long. */
function watch(rows) {
  window.longTasks = []
  window.longFrames = []
  window.firstRow = null
  performance.setResourceTimingBufferSize(10_000)
  const look = () => {
    if (window.firstRow === null && document.querySelector(rows)) window.firstRow = performance.now()
    else requestAnimationFrame(look)
  }
  look()
  new PerformanceObserver((list) => {
    for (const { startTime, duration } of list.getEntries()) window.longTasks.push({ at: startTime, ms: duration })
  }).observe({ type: 'longtask', buffered: true })
  new PerformanceObserver((list) => {
    for (const frame of list.getEntries()) {
      const end = frame.startTime + frame.duration
      const scripts = frame.scripts.map(({ duration, invoker, sourceFunctionName, sourceURL, forcedStyleAndLayoutDuration }) => ({
        ms: Math.round(duration), layout: Math.round(forcedStyleAndLayoutDuration),
        what: [invoker, sourceFunctionName, sourceURL.split('/').pop()].filter(Boolean).join(' '),
      }))
      if (window.longFrames.length < 2000) window.longFrames.push({ at: frame.startTime, end, drawing: Math.round(frame.renderStart ? end - frame.renderStart : 0), scripts })
    }
  }).observe({ type: 'long-animation-frame', buffered: true })
}

/** Runs in the page: scrolls the list down by some rows each frame for so long. */
async function scroll(ms) {
  const scroller = document.querySelector('.task-list > .overflow-auto')
  const end = performance.now() + ms
  let step = 900
  while (performance.now() < end) {
    const before = scroller.scrollTop
    scroller.scrollTop += step
    await new Promise(requestAnimationFrame)
    if (scroller.scrollTop === before && scroller.scrollTop > 200_000) step = -step
    else if (scroller.scrollTop <= 0) step = 900
  }
}

/** Runs in the page: from the end of the first answer with the list's data to the first row. */
function afterData(list) {
  const answers = performance.getEntriesByType('resource').filter(entry => new RegExp(`/api/v1/${list}([?]|$)`).test(entry.name) && entry.responseEnd <= window.firstRow)
  return answers.length && window.firstRow !== null ? Math.round(window.firstRow - answers[0].responseEnd) : null
}

async function places() {
  const worker = await firstItem(base, 'workers?status=online&limit=1') ?? await firstItem(base, 'workers?limit=1')
  return [
    { name: 'overview', path: '/', ready: 'figure', data: 'metrics' },
    { name: 'tasks', path: '/tasks', ready: '[data-task-id]', data: 'tasks' },
    { name: 'tasks, scrolled', path: '/tasks', ready: '[data-task-id]', during: page => page.evaluate(scroll, seconds * 1000) },
    { name: 'workers', path: '/workers', ready: '[data-worker-id]', data: 'workers' },
    worker && { name: 'worker', path: `/workers/${encodeURIComponent(worker.id)}`, ready: 'h1' },
    { name: 'queues', path: '/queues', ready: 'main tbody tr a[href*="/queues/"], [data-queue]', data: 'queues' },
  ].filter(place => place && (!values.only || values.only.includes(place.name)))
}

async function heapOf(page, session) {
  if (values.collect) await session.send('HeapProfiler.collectGarbage')
  const elements = await page.evaluate(() => document.querySelectorAll('*').length)
  const { usedSize } = await session.send('Runtime.getHeapUsage')
  const { nodes, jsEventListeners } = await session.send('Memory.getDOMCounters')
  return { mib: Math.round(usedSize / MEBI * 10) / 10, nodes, listeners: jsEventListeners, elements }
}

async function measure(browser, place) {
  const { context, page, complaints } = await openPage(browser, base)
  await context.addInitScript(watch, place.ready)
  const session = await context.newCDPSession(page)
  await page.goto(base + place.path)
  await page.waitForSelector(place.ready, { timeout: 30_000, state: 'attached' })
  const ready = await page.evaluate(() => performance.now())
  const paint = await page.evaluate(() => performance.getEntriesByName('first-contentful-paint')[0]?.startTime ?? 0)
  const rowsAfterData = place.data ? await page.evaluate(afterData, place.data) : null
  await page.waitForTimeout(2000)
  const opening = await page.evaluate(() => window.longTasks.splice(0))
  const began = await page.evaluate(() => performance.now())
  if (!values.untraced) await browser.startTracing(page, { categories: ['devtools.timeline', 'disabled-by-default-devtools.timeline', 'v8', 'toplevel', '__metadata'] })
  if (values.profile) {
    await session.send('Profiler.enable')
    await session.send('Profiler.setSamplingInterval', { interval: 500 })
    await session.send('Profiler.start')
  }
  const heap = [await heapOf(page, session)]
  const during = place.during?.(page)
  for (let i = 0; i < Number(values.samples); i++) {
    await page.waitForTimeout(seconds * 1000 / Number(values.samples))
    heap.push(await heapOf(page, session))
  }
  await during
  if (values.profile) writeFileSync(`${values.profile}/${place.name}.cpuprofile`, JSON.stringify((await session.send('Profiler.stop')).profile))
  const traced = values.untraced ? null : longTasksOf(await browser.stopTracing())
  const { tasks, frames } = await page.evaluate(from => ({ tasks: window.longTasks, frames: window.longFrames.filter(frame => frame.at >= from) }), began)
  const result = {
    page: place.name, seconds, first_content_ms: Math.round(paint), ready_ms: Math.round(ready), rows_after_data_ms: rowsAfterData, elements: Math.max(...heap.map(one => one.elements)),
    opening_long_tasks_ms: opening.map(task => Math.round(task.ms)),
    long_tasks: tasks.map(({ at, ms }) => {
      const frame = frames.find(one => one.at <= at + ms && one.end >= at)
      return { at_s: Math.round((at - began) / 100) / 10, ms: Math.round(ms), drawing_ms: frame?.drawing ?? 0, scripts: frame?.scripts ?? [] }
    }),
    heap, traced, complaints,
  }
  await context.close()
  return result
}

function tell(result) {
  const longest = Math.max(0, ...result.long_tasks.map(task => task.ms))
  say(`${result.page}: first content after ${result.first_content_ms} ms, ready after ${result.ready_ms} ms, rows ${result.rows_after_data_ms ?? '–'} ms after their data, ${result.elements} elements; while it opened, above 50 ms: ${result.opening_long_tasks_ms.join(', ') || 'none'}`)
  say(`  ${result.seconds} s: ${result.long_tasks.length} tasks of the main thread above 50 ms, the longest ${longest} ms`)
  for (const task of [...result.long_tasks].sort((a, b) => b.ms - a.ms).slice(0, 6)) {
    const ran = task.scripts.map(script => `${script.what} ${script.ms} ms${script.layout ? ` (layout ${script.layout})` : ''}`).join('; ')
    say(`    ${task.ms} ms at ${task.at_s} s: ${ran || 'no script above 5 ms'}; drawing ${task.drawing_ms} ms`)
  }
  for (const task of result.traced?.slice(0, 6) ?? []) say(`    traced: ${task.ms} ms, of it on a processor ${task.cpu_ms}; ${Object.entries(task.parts).map(([name, ms]) => `${name} ${ms}`).join(', ')}`)
  say(`  heap MiB: ${result.heap.map(one => one.mib).join(' ')}; nodes ${result.heap[0].nodes} to ${result.heap.at(-1).nodes}, listeners ${result.heap[0].listeners} to ${result.heap.at(-1).listeners}`)
  for (const complaint of result.complaints) say(`  ${complaint}`)
}

const browser = await openBrowser()
try {
  const results = []
  for (const place of await places()) {
    const result = await measure(browser, place)
    results.push(result)
    tell(result)
  }
  if (values.json) console.log(JSON.stringify(results))
} finally {
  await browser.close()
}
