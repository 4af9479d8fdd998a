// What open pages say, each second, while parts of Kanchi, the broker or the network are stopped. Nothing happens
// meanwhile, so each figure has one true value.
import { until, words } from './stage.mjs'

const PAGES = { overview: '/', tasks: '/tasks', workers: '/workers', queues: '/queues' }
const NUMBER = '([\\d,.]+|–)'

/** Figures of a page by their words: [what, pattern, the true value by name]. */
const FIGURES = {
  overview: [
    ['finished', `Finished ${NUMBER}`, 'ended'], ['failed of all', `${NUMBER} of 42`, 'failed'],
    ['succeeded in the chart', `Succeeded ${NUMBER}`, 'succeeded'], ['failed in the chart', `Failed ${NUMBER}`, 'failed'],
    ['failures of the hour', `Failures ${NUMBER} · Last`, 'failed'], ['workers online', `${NUMBER} workers? online`, 'workers'],
    ['backlog', `${NUMBER} queued \\+ received`, 'depth'], ['messages in queues', `mail ${NUMBER}`, 'depth'],
  ],
  tasks: [['queued', `Queued ${NUMBER}`, 'depth'], ['succeeded', `Succeeded ${NUMBER}(?! ms)`, 'succeeded'], ['failed', `Failed ${NUMBER}`, 'failed']],
  workers: [
    ['online', `${NUMBER} online`, 'workers'], ['offline', `${NUMBER} offline`, 'nothing'],
    ['succeeded', `/ [2–] ${NUMBER}`, 'succeeded'], ['failed', `/ [2–] [\\d,.–]+ ${NUMBER}`, 'failed'],
  ],
  queues: [
    ['messages', `mail ${NUMBER}`, 'depth'], ['messages of all', `Total: \\d+ queues ${NUMBER}`, 'depth'],
    ['queues with messages', `With messages ${NUMBER}`, 'paused'], ['paused queues', `Paused ${NUMBER}`, 'paused'],
  ],
}
/** Texts that say something false while there are tasks, workers and queues. */
const LIES = {
  overview: /No tasks yet|No workers yet|No queues yet|No failures in|All systems normal|went offline|no consumers/i,
  tasks: /No (matching )?tasks|No tasks yet/i,
  workers: /No workers yet|Offline(?! 0(?! \/))|went offline/i,
  queues: /No queues yet|no queues|0 messages|no consumers|no workers/i,
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

/** What is wrong with what a page shows; `old`: the first seconds, in which it need not know yet; `fresh`: just loaded, it need not know why. */
function faultsOf(name, seen, { truth, names, old, fresh, back }) {
  if (!seen?.text) return []
  const faults = []
  const text = words(seen.text)
  for (const [what, pattern, key] of FIGURES[name]) {
    for (const [, value] of text.matchAll(new RegExp(pattern, 'g'))) {
      if (value !== '–' && Number(value.replace(/,/g, '')) !== truth[key]) faults.push(`${what}: ${value}, not ${truth[key]}`)
    }
  }
  if (LIES[name].test(back || old ? text.replace(/All systems normal/gi, '') : text)) faults.push(`says “${LIES[name].exec(text)[0]}”`)
  if (old || back) return faults
  if (seen.level === 'good' || WELL.test(seen.verdict)) faults.push(`the header is well: ${words(seen.verdict)}`)
  const said = words(`${seen.frame} ${text}`)
  if (!fresh && !names.some(one => new RegExp(one, 'i').test(said))) faults.push(`does not name ${names.join(' or ')}: ${words(seen.frame).slice(0, 200)}`)
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
  let reloaded = Infinity
  for (let n = 0; Date.now() - began < seconds * 1000; n++) {
    const at = (Date.now() - began) / 1000
    for (const name of Object.keys(PAGES)) {
      const seen = await look(stage.kept(name))
      for (const fault of faultsOf(name, seen, { truth, names, old: at < grace, fresh: reload.includes(name) && at < reloaded + grace })) {
        const key = `${name}: ${fault}`
        faults.set(key, [...faults.get(key) ?? [], Math.round(at)])
      }
    }
    if (reloaded === Infinity && at > grace) {
      reloaded = at
      for (const name of reload) stage.kept(name).reload({ timeout: 5000 }).catch(() => {})
    }
    await new Promise(resolve => setTimeout(resolve, Math.max(0, began + (n + 1) * 1000 - Date.now())))
  }
  if (faults.size) throw new Error(`false while ${names.join(', ')} stopped:\n${[...faults].map(([fault, at]) => `  ${fault} (at ${at[0]} s${at.length > 1 ? ` to ${at.at(-1)} s, ${at.length} times` : ''})`).join('\n')}`)
}

/** After everything has been started again: never a wrong number, and in the end all is well and true. */
export async function backToTheTruth(stage, { truth, patience = 60_000 }) {
  const faults = new Set()
  const blankSince = new Map()
  await until(async () => {
    const missing = []
    for (const name of Object.keys(PAGES)) {
      const page = stage.kept(name)
      const seen = await look(page)
      if (!seen?.level) {
        missing.push(`${name} is not there`)
        // A page that could not even be loaded, or not wholly: its viewer presses reload.
        const since = blankSince.get(name) ?? blankSince.set(name, Date.now()).get(name)
        if (page.url().startsWith('chrome-error') || Date.now() - since > 10_000) {
          await page.goto(stage.base + PAGES[name]).catch(() => {})
          blankSince.delete(name)
        }
        continue
      }
      blankSince.delete(name)
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
