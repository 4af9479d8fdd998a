import type { FailureGroup, Metrics, Queue, System, Worker } from '~/api/types'
import { formatCount, formatShare, plural } from './format'
import { healthOf, type Concern, type Severity } from './health'

/** One thing that somebody should look at, and where. */
export interface Trouble {
  key: string
  severity: Severity
  text: string
  to: string | { path: string, query: Record<string, string> }
  remedy: string | null
}

export interface Situation {
  system: System | null
  metrics: Metrics | null
  queues: readonly Queue[]
  workers: readonly Worker[]
  failures: readonly FailureGroup[]
  now: number
}

/** A worker that went longer ago than this was taken away, and is nobody's trouble. */
const RECENT_MS = 30 * 60_000
const LOW_SUCCESS = 0.9
/** Fewer tasks than this say nothing about a rate. */
const ENOUGH = 20
const ORDER: Record<Severity, number> = { error: 0, warning: 1, info: 2 }

/** A queue of Celery's native delayed delivery (kombu has 28): messages wait in it for their ETA, and nobody consumes it. */
export function isDelay(queue: Pick<Queue, 'name'>): boolean {
  return /^(.*_)?celery_delayed_([01]?\d|2[0-7])$/.test(queue.name)
}

/** Messages wait and nobody takes them; of a paused queue that is what was asked for. */
export function isStranded(queue: Pick<Queue, 'name' | 'depth' | 'consumers' | 'workers' | 'paused'>): boolean {
  return !queue.paused && !isDelay(queue) && (queue.depth ?? 0) > 0 && (queue.consumers ?? queue.workers.length) === 0
}

export function hasJustGone(worker: Pick<Worker, 'status' | 'last_seen'>, now: number): boolean {
  return worker.status === 'offline' && worker.last_seen !== null && now - Date.parse(worker.last_seen) < RECENT_MS
}

/** What is wrong now, the worst first. */
export function troublesOf(s: Situation): Trouble[] {
  return [...ofSystem(healthOf(s.system).concerns), ...ofQueues(s.queues), ...ofWorkers(s), ...ofTasks(s)]
    .sort((a, b) => ORDER[a.severity] - ORDER[b.severity])
}

function ofSystem(concerns: readonly Concern[]): Trouble[] {
  return concerns.filter(concern => concern.severity !== 'info').map(({ key, severity, text, remedy }) => ({ key, severity, text, remedy, to: '/system' }))
}

function ofQueues(queues: readonly Queue[]): Trouble[] {
  return queues.filter(isStranded).map(queue => ({
    key: `stranded:${queue.source}:${queue.name}`,
    severity: 'error',
    text: `Queue ${queue.name} has ${plural(queue.depth ?? 0, 'message')} and no consumers.`,
    to: { path: `/queues/${encodeURIComponent(queue.name)}`, query: { source: queue.source } },
    remedy: `celery -A your_app worker -Q ${queue.name}`,
  }))
}

function ofWorkers({ workers, now }: Situation): Trouble[] {
  const gone = workers.filter(worker => hasJustGone(worker, now))
  if (gone.length === 0) return []
  const online = workers.filter(worker => worker.status === 'online').length
  const one = gone.length === 1 ? gone[0]! : null
  return [{
    key: 'gone',
    severity: online === 0 ? 'error' : 'warning',
    text: `${one ? `Worker ${one.id}` : `${formatCount(gone.length)} workers`} went offline in the last 30 min.${online === 0 ? ' No workers left.' : ''}`,
    to: one ? { path: `/workers/${encodeURIComponent(one.id)}`, query: { source: one.source } } : '/workers',
    remedy: null,
  }]
}

function ofTasks({ metrics, failures }: Situation): Trouble[] {
  if (!metrics || metrics.success_rate === null || metrics.success_rate >= LOW_SUCCESS) return []
  if (metrics.counts.success + metrics.counts.failure < ENOUGH) return []
  const most = failures[0]
  return [{
    key: 'failing',
    severity: 'warning',
    text: `Success rate is down to ${formatShare(metrics.success_rate)}.${most?.name ? ` Most failures: ${most.name}.` : ''}`,
    to: { path: '/tasks', query: { status: 'failure', last: '1h' } },
    remedy: null,
  }]
}

export function headlineOf(troubles: readonly Trouble[]): string {
  if (troubles.length === 0) return 'All systems normal'
  return troubles.length === 1 ? troubles[0]!.text : `${formatCount(troubles.length)} issues need attention`
}
