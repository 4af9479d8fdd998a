import type { Dismissal, FailureGroup, Finding, Metrics, Queue, Service, System, Worker } from '~/api/types'
import { t } from '~/texts'
import { hasJustGone, isStranded } from './attention'
import { formatCount, formatSeconds, formatShare, sentenceOf } from './format'
import type { Stale } from './freshness'
import { remedyOf, type Remedy, type Severity } from './health'

/** Where something is wrong, from the cause to the symptoms: in this order the lines of one severity stand. */
const AREAS = ['kanchi', 'broker', 'worker', 'queue', 'task'] as const
export type Area = (typeof AREAS)[number]

/** One thing that somebody should look at, and where. */
export interface Line {
  /** What it is about; with `state`, what a dismissal holds for. */
  key: string
  /** Changes when there is something new to know. */
  state: string
  severity: Severity
  area: Area
  text: string
  to: string | { path: string, query: Record<string, string | string[]> }
  remedy: Remedy | null
  /** How many things the line is about. */
  count: number
  /** What follows from it, as far as that is known. */
  folded: Line[]
}

/** What a dismissal holds for. */
export type Dismissed = Pick<Dismissal, 'key' | 'state'>

/** All that the page knows. */
export interface Situation {
  /** Everything has been loaded once. */
  loaded: boolean
  /** Why it could not be. */
  failure: string | null
  stale: readonly Stale[]
  system: System | null
  metrics: Metrics | null
  queues: readonly Queue[]
  workers: readonly Worker[]
  /** Tasks that offline workers still have, by `source NUL worker`. */
  held: ReadonlyMap<string, number>
  failures: readonly FailureGroup[]
  dismissals: readonly Dismissed[]
  now: number
}

export interface Verdict {
  level: 'good' | 'warning' | 'error' | 'unknown'
  headline: string
  /** The worst first, the cause before its symptoms. */
  lines: Line[]
  dismissed: Line[]
}

const LAG_SECONDS = 10
const LOW_SUCCESS = 0.9
/** Fewer tasks than this say nothing about a rate. */
const ENOUGH = 20
/** Findings of one kind, from this number on, are one line. */
const MANY = 3
/** Of UTF-8, as POST /api/v1/dismissals takes it. */
const DISMISSED_KEY_BYTES = 200
const ORDER: Record<Severity, number> = { error: 0, warning: 1, info: 2 }

/** What is wrong with Kanchi and the fleet: the one answer that the header, the overview and the system page show. */
export function verdictOf(s: Situation): Verdict {
  const all = folded(s, linesOf(s)).sort((a, b) => ORDER[a.severity] - ORDER[b.severity] || AREAS.indexOf(a.area) - AREAS.indexOf(b.area))
  const states = new Map(s.dismissals.map(one => [one.key, one.state]))
  const isDismissed = (line: Line) => isDismissible(line) && states.get(dismissalOf(line).key) === dismissalOf(line).state
  const lines = all.filter(line => !isDismissed(line))
  const dismissed = all.filter(isDismissed)
  return { ...levelOf(s, lines, dismissed), lines, dismissed }
}

/** What is wrong with Kanchi itself makes everything else doubtful: it is always shown. */
export function isDismissible(line: Line): boolean {
  return line.area !== 'kanchi'
}

/** What to keep of a dismissed line; names make its key longer than a gateway takes. */
export function dismissalOf({ key, state }: Line): Dismissed {
  if (new TextEncoder().encode(key).length <= DISMISSED_KEY_BYTES) return { key, state }
  return { key: `${[...key].slice(0, 30).join('')} ${stateOf([key])}`, state }
}

function levelOf(s: Situation, lines: readonly Line[], dismissed: readonly Line[]): Pick<Verdict, 'level' | 'headline'> {
  const counted = lines.filter(line => line.severity !== 'info')
  if (counted.length === 1) return { level: counted[0]!.severity as 'error' | 'warning', headline: counted[0]!.text }
  if (counted.length) return { level: counted[0]!.severity as 'error' | 'warning', headline: t.health.issues(counted.length) }
  if (!s.loaded) return { level: 'unknown', headline: s.failure ?? t.health.checking }
  return { level: 'good', headline: dismissed.some(line => line.severity !== 'info') ? t.health.onlyDismissed : t.health.good }
}

function linesOf(s: Situation): Line[] {
  return [...ofStale(s), ...ofServices(s), ...ofSources(s), ...ofFindings(s), ...ofWorkers(s), ...ofQueues(s), ...ofTasks(s)]
}

/* ---- Kanchi and its brokers --------------------------------------------------------------- */

function ofStale({ stale, system }: Situation): Line[] {
  return stale.map((one) => {
    const isBroker = one.cause === 'broker'
    const unreachable = isBroker ? system?.findings.find(finding => finding.source === one.source && finding.code.startsWith('broker_')) : undefined
    return line({
      key: keyOf(one.cause, one.source), state: one.cause, severity: 'error', area: isBroker ? 'broker' : 'kanchi', text: staleText(one), to: '/system',
      remedy: remedyOf(unreachable?.remedy),
    })
  })
}

/** In words, without since when. */
export function staleText(stale: Stale): string {
  if (stale.cause === 'broker') return t.health.stale.broker(stale.source!, stale.detail)
  if (stale.cause === 'ingestion') return t.health.stale.ingestion(stale.source!)
  if (stale.cause === 'storage' && stale.detail) return sentenceOf(t.health.stale.storageBroken(stale.detail))
  return t.health.stale[stale.cause]
}

function keyOf(what: string, source: string | null): string {
  return source ? `${what}:${source}` : what
}

function aboutOf(service: Pick<Service, 'name' | 'source'>): string {
  return service.source ? t.health.serviceOf(service.name, service.source) : service.name
}

function ofServices({ system }: Situation): Line[] {
  if (!system?.services.length) return []
  const wrong = system.services.filter(service => service.state === 'away' || service.state === 'degraded').map((service): Line => {
    const another = system.services.some(other => other !== service && other.name === service.name && other.source === service.source && other.state === 'ready')
    const isAway = service.state === 'away'
    return line({
      key: `${keyOf(service.name, service.source)}${another ? `:${service.id}` : ''}`, state: service.state, severity: isAway && !another ? 'error' : 'warning', area: 'kanchi',
      text: isAway ? t.health.serviceAway(aboutOf(service), another) : sentenceOf(t.health.serviceDegraded(aboutOf(service), service.detail)),
      to: '/system', remedy: isAway ? { text: t.health.serviceRemedy, code: null } : null,
    })
  })
  const missing = expected(system).filter(role => !system.services.some(service => service.name === role.name && service.source === role.source)).map(role => line({
    key: keyOf(role.name, role.source), state: 'away', severity: 'error', area: 'kanchi', text: t.health.serviceMissing(aboutOf(role)), to: '/system',
    remedy: { text: t.health.serviceRemedy, code: null },
  }))
  return [...wrong, ...missing]
}

/** Services are forgotten after a minute of silence: these must be there. */
function expected(system: System): Pick<Service, 'name' | 'source'>[] {
  const sources = Object.keys(system.ingestion)
  // A source without any service was probably taken out of the configuration, unless it is the only one.
  const used = sources.filter(source => sources.length === 1 || system.services.some(service => service.source === source))
  return [{ name: 'aggregation', source: null }, ...used.flatMap(source => ['ingestion', 'control'].map(name => ({ name, source })))]
}

function ofSources({ system }: Situation): Line[] {
  return Object.entries(system?.ingestion ?? {}).flatMap(([name, source]) => {
    const lines: Line[] = []
    if (source.lag_seconds !== null && source.lag_seconds > LAG_SECONDS) {
      lines.push(line({ key: `lag:${name}`, state: 'late', severity: 'warning', area: 'broker', text: t.health.lag(name, formatSeconds(Math.round(source.lag_seconds))), to: '/system' }))
    }
    if (source.events_lost > 0) {
      lines.push(line({ key: `lost:${name}`, state: String(source.events_lost), severity: 'warning', area: 'broker', text: t.health.lost(name, source.events_lost), to: '/system', count: source.events_lost }))
    }
    if (source.events_invalid > 0) {
      lines.push(line({ key: `invalid:${name}`, state: String(source.events_invalid), severity: 'info', area: 'broker', text: t.health.invalid(name, source.events_invalid), to: '/system', count: source.events_invalid }))
    }
    return lines
  })
}

function ofFindings({ system, stale }: Situation): Line[] {
  const told = new Set(stale.filter(one => one.cause === 'broker').map(one => one.source))
  const byCode = new Map<string, Finding[]>()
  for (const finding of system?.findings ?? []) {
    if (told.has(finding.source) && finding.code.startsWith('broker_')) continue
    const key = `${finding.code}:${finding.source ?? ''}:${finding.severity}`
    byCode.set(key, [...byCode.get(key) ?? [], finding])
  }
  return [...byCode.values()].flatMap((findings) => {
    if (findings.length < MANY) return findings.map(finding => ofFinding(finding, [finding]))
    return [ofFinding(findings[0]!, findings)]
  })
}

function ofFinding(first: Finding, all: readonly Finding[]): Line {
  return line({
    key: `finding:${first.code}:${first.source ?? ''}${all.length === 1 && first.subject ? `:${first.subject}` : ''}`,
    state: stateOf(all.map(finding => `${finding.severity} ${finding.subject ?? ''}`)), severity: first.severity, area: 'broker',
    text: all.length === 1 ? sentenceOf(first.text) : t.health.andMore(first.text, all.length - 1), to: '/system', remedy: remedyOf(first.remedy), count: all.length,
  })
}

/* ---- the fleet ---------------------------------------------------------------------------- */

function ofWorkers(s: Situation): Line[] {
  const offline = s.workers.filter(worker => worker.status === 'offline')
  const holding = offline.filter(worker => heldBy(s, worker) > 0)
  const gone = offline.filter(worker => heldBy(s, worker) === 0 && hasJustGone(worker, s.now))
  const lines: Line[] = []
  if (offline.length && offline.length === s.workers.length && offline.some(worker => hasJustGone(worker, s.now) || holding.includes(worker))) {
    lines.push(line({ key: 'workers:none', state: 'none', severity: 'error', area: 'worker', text: t.health.noWorkers(offline.length), to: '/workers', count: offline.length }))
  }
  if (holding.length) {
    const tasks = holding.reduce((sum, worker) => sum + heldBy(s, worker), 0)
    const one = holding.length === 1 ? holding[0]! : null
    lines.push(line({
      key: one ? `worker:holding:${one.source}:${one.id}` : 'workers:holding', state: idsOf(holding), severity: 'error', area: 'worker', count: holding.length,
      text: one ? t.health.workerHolds(one.id, tasks) : t.health.workersHold(holding.length, tasks),
      to: { path: '/tasks', query: { status: ['received', 'started'], ...(holding.length <= 20 ? { worker: holding.map(worker => worker.id) } : {}) } },
    }))
  }
  if (gone.length) {
    const one = gone.length === 1 ? gone[0]! : null
    lines.push(line({
      key: one ? `worker:gone:${one.source}:${one.id}` : 'workers:gone', state: idsOf(gone), severity: 'warning', area: 'worker', count: gone.length,
      text: one ? t.health.workerGone(one.id) : t.health.workersGone(gone.length),
      to: one ? { path: `/workers/${encodeURIComponent(one.id)}`, query: { source: one.source } } : { path: '/workers', query: { only: 'offline' } },
    }))
  }
  return lines
}

function heldBy(s: Situation, worker: Pick<Worker, 'source' | 'id'>): number {
  return s.held.get(`${worker.source}\u0000${worker.id}`) ?? 0
}

function ofQueues(s: Situation): Line[] {
  const stranded = s.queues.filter(isStranded)
  if (stranded.length === 0) return []
  const messages = stranded.reduce((sum, queue) => sum + (queue.depth ?? 0), 0)
  const one = stranded.length === 1 ? stranded[0]! : null
  return [line({
    key: one ? `queue:stranded:${one.source}:${one.name}` : 'queues:stranded', state: stateOf(stranded.map(queue => `${queue.source}\u0000${queue.name}`)),
    severity: 'error', area: 'queue', count: stranded.length,
    text: one ? t.health.queueStranded(one.name, messages) : t.health.queuesStranded(stranded.length, messages),
    to: one ? { path: `/queues/${encodeURIComponent(one.name)}`, query: { source: one.source } } : { path: '/queues', query: { only: 'stranded' } },
    remedy: one ? { text: null, code: `celery -A your_app worker -Q ${one.name}` } : null,
  })]
}

function ofTasks({ metrics, failures }: Situation): Line[] {
  if (!metrics || metrics.success_rate === null || metrics.success_rate >= LOW_SUCCESS) return []
  if (metrics.counts.success + metrics.counts.failure < ENOUGH) return []
  return [line({
    key: 'failing', state: `${Math.floor(metrics.success_rate * 10)}0%`, severity: 'warning', area: 'task',
    text: t.health.failing(formatShare(1 - metrics.success_rate), formatSeconds(metrics.window_seconds), failures[0]?.name ?? null),
    to: { path: '/tasks', query: { status: 'failure', time: 'ended', last: '1h' } }, count: metrics.counts.failure,
  })]
}

/* ---- causes and symptoms ------------------------------------------------------------------ */

/** Symptoms of a known cause stand under it. A line that is about several brokers is split by them. */
function folded(s: Situation, lines: readonly Line[]): Line[] {
  const unique = lines.filter((one, i) => lines.findIndex(other => other.key === one.key) === i)
  const whole = unique.find(one => one.key === 'offline' || one.key === 'gateway' || one.key === 'storage')
  if (whole && s.stale.some(one => one.cause === whole.key)) return [{ ...whole, folded: unique.filter(one => one !== whole && one.area !== 'kanchi' && !one.key.startsWith('finding:storage_away')) }]
  const silent = new Set(s.stale.filter(one => one.source !== null).map(one => one.source!))
  let rest = unique
  if (silent.size) {
    const heard = { ...s, workers: s.workers.filter(worker => !silent.has(worker.source)), queues: s.queues.filter(queue => !silent.has(queue.source)) }
    const fleet = [...ofWorkers(heard), ...ofQueues(heard)]
    const causes = new Map([...silent].map(source => [source, unique.find(one => one.key === `broker:${source}` || one.key === `ingestion:${source}`)!]))
    rest = [...unique.filter(one => one.area !== 'worker' && one.area !== 'queue'), ...fleet]
    for (const [source, cause] of causes) {
      const symptoms = rest.filter(one => one !== cause && isOf(one, source))
      const own = { ...s, workers: s.workers.filter(worker => worker.source === source), queues: s.queues.filter(queue => queue.source === source) }
      const hidden = [...symptoms, ...ofWorkers(own), ...ofQueues(own)]
      rest = rest.filter(one => !symptoms.includes(one)).map(one => one === cause ? { ...one, folded: hidden } : one)
    }
  }
  const none = rest.find(one => one.key === 'workers:none')
  if (none) {
    const symptoms = rest.filter(one => one.area === 'queue' || one.key.startsWith('worker:gone') || one.key === 'workers:gone')
    rest = rest.filter(one => !symptoms.includes(one)).map(one => one === none ? { ...one, folded: symptoms } : one)
  }
  return rest
}

/** Whether a line of Kanchi or a broker follows from this source's silence; lost events are told in any case. */
function isOf(one: Line, source: string): boolean {
  if (one.key.startsWith('finding:')) return one.key.endsWith(`:${source}`) || one.key.includes(`:${source}:`)
  return ['ingestion', 'control', 'lag'].some(what => one.key === `${what}:${source}`)
}

/* ---- small things ------------------------------------------------------------------------- */

function line(part: Omit<Line, 'folded' | 'remedy' | 'count'> & Partial<Line>): Line {
  return { remedy: null, folded: [], count: 1, ...part }
}

function idsOf(workers: readonly Worker[]): string {
  return stateOf(workers.map(worker => `${worker.source}\u0000${worker.id}\u0000${worker.last_seen ?? ''}`))
}

/** A short text that is the same for the same things, in whatever order. */
export function stateOf(things: readonly string[]): string {
  let hash = 0xcbf29ce484222325n
  for (const code of [...things].sort().join('\u0001')) hash = BigInt.asUintN(64, (hash ^ BigInt(code.codePointAt(0)!)) * 0x100000001b3n)
  return `${formatCount(things.length)}-${hash.toString(16)}`
}
