// What open pages say, each second, while parts of Kanchi, the broker or the network are stopped. Nothing happens
// meanwhile, so each figure has one true value.
import { until, words } from './stage.mjs'

const PAGES = { overview: '/', tasks: '/tasks', workers: '/workers', queues: '/queues' }
const NUMBER = '([\\d,.]+|–)'

/** Figures of a page by their words: [what, pattern, the true value by name]. */
const FIGURES = {
  overview: [
    ['succeeded in the chart', `Succeeded ${NUMBER}`, 'succeeded'], ['failed in the chart', `Failed ${NUMBER}`, 'failed'],
    ['failures of the hour', `${NUMBER} in the last hour`, 'failed'], ['workers online', `${NUMBER} workers? online`, 'workers'],
    ['messages in queues', `${NUMBER} in queues`, 'depth'],
  ],
  tasks: [['queued', `Queued ${NUMBER}`, 'depth'], ['succeeded', `Succeeded ${NUMBER}(?! ms)`, 'succeeded'], ['failed', `Failed ${NUMBER}`, 'failed']],
  workers: [['online', `${NUMBER} online`, 'workers'], ['offline', `${NUMBER} offline`, 'nothing']],
  queues: [['messages', `${NUMBER} messages?`, 'depth']],
}
/** Texts that say something false while there are tasks, workers and queues. */
const LIES = {
  overview: /No tasks yet|No workers yet|No queues yet|No failures in|All systems normal|went offline/i,
  tasks: /No (matching )?tasks|No tasks yet/i,
  workers: /No workers yet/i,
  queues: /No queues yet|no queues|0 messages/i,
}
const WELL = /\b(all well|all systems normal|kanchi ok|all good)\b/i

/** Runs in the page: everything that a viewer could read. */
function lookAround() {
  const shown = [...document.querySelectorAll('[data-testid=health], [data-testid=health-line], [data-testid=connection], [data-testid=banner], header, [role=alert]')]
  return {
    text: document.querySelector('main')?.innerText ?? '',
    level: document.querySelector('[data-testid=health]')?.dataset.level ?? null,
    verdict: document.querySelector('[data-testid=health]')?.innerText ?? '',
    frame: shown.map(one => one.innerText).join(' | '),
  }
}

async function look(page) {
  return Promise.race([page.evaluate(lookAround), new Promise(resolve => setTimeout(resolve, 3000, null))]).catch(() => null)
}

/** What is wrong with what a page shows; `old`: the first seconds, in which it need not know yet. */
function faultsOf(name, seen, { truth, names, old, back }) {
  if (!seen?.text) return []
  const faults = []
  const text = words(seen.text)
  for (const [what, pattern, key] of FIGURES[name]) {
    for (const [, value] of text.matchAll(new RegExp(pattern, 'g'))) {
      if (value !== '–' && Number(value.replace(/,/g, '')) !== truth[key]) faults.push(`${what}: ${value}, not ${truth[key]}`)
    }
  }
  if (LIES[name].test(back || old ? text.replace(/All systems normal/i, '') : text)) faults.push(`says “${LIES[name].exec(text)[0]}”`)
  if (old || back) return faults
  if (seen.level === 'good' || WELL.test(seen.verdict)) faults.push(`the header is well: ${words(seen.verdict)}`)
  const said = words(`${seen.frame} ${text}`)
  if (!names.some(one => new RegExp(one, 'i').test(said))) faults.push(`does not name ${names.join(' or ')}: ${words(seen.frame).slice(0, 200)}`)
  return faults
}

/** Opens all pages and waits until they are well and show the truth. */
export async function everythingIsWell(stage, { truth, patience = 60_000 }) {
  for (const [name, path] of Object.entries(PAGES)) await stage.open(path, { keep: name })
  await backToTheTruth(stage, { truth, patience })
}

/** Looks each second for so long; the pages in `reload` are loaded again once the time to notice is over. */
export async function nothingIsFalse(stage, { truth, names, seconds, grace, reload = [] }) {
  const began = Date.now()
  const faults = new Map()
  let reloaded = false
  for (let n = 0; Date.now() - began < seconds * 1000; n++) {
    const at = (Date.now() - began) / 1000
    for (const name of Object.keys(PAGES)) {
      const seen = await look(stage.kept(name))
      for (const fault of faultsOf(name, seen, { truth, names, old: at < grace })) {
        const key = `${name}: ${fault}`
        faults.set(key, [...faults.get(key) ?? [], Math.round(at)])
      }
    }
    if (!reloaded && at > grace) {
      reloaded = true
      for (const name of reload) stage.kept(name).reload({ timeout: 5000 }).catch(() => {})
    }
    await new Promise(resolve => setTimeout(resolve, Math.max(0, began + (n + 1) * 1000 - Date.now())))
  }
  if (faults.size) throw new Error(`false while ${names.join(', ')} stopped:\n${[...faults].map(([fault, at]) => `  ${fault} (at ${at[0]} s${at.length > 1 ? ` to ${at.at(-1)} s, ${at.length} times` : ''})`).join('\n')}`)
}

/** After everything has been started again: never a wrong number, and in the end all is well and true. */
export async function backToTheTruth(stage, { truth, patience = 60_000 }) {
  const faults = new Set()
  await until(async () => {
    const missing = []
    for (const name of Object.keys(PAGES)) {
      let seen = await look(stage.kept(name))
      // A page that could not even be loaded: its viewer presses reload.
      if (!seen?.level) {
        await stage.kept(name).goto(stage.base + PAGES[name], { timeout: 5000 }).catch(() => {})
        seen = await look(stage.kept(name))
      }
      if (!seen?.level) { missing.push(`${name} is not there`); continue }
      for (const fault of faultsOf(name, seen, { truth, names: [], back: true })) faults.add(`${name}: ${fault}`)
      const text = words(seen.text)
      for (const [what, pattern, key] of FIGURES[name]) {
        const values = [...text.matchAll(new RegExp(pattern, 'g'))].map(([, value]) => value)
        if (truth[key] > 0 && !values.some(value => Number(value.replace(/,/g, '')) === truth[key])) missing.push(`${name}: ${what}: ${values}`)
      }
      if (seen.level !== 'good') missing.push(`${name}: ${words(seen.verdict)}`)
    }
    if (missing.length) throw new Error(missing.join('; '))
    return true
  }, 'all pages are well and true', patience)
  if (faults.size) throw new Error(`false while it came back:\n  ${[...faults].join('\n  ')}`)
}
