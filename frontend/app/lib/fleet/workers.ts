import type { Worker } from '~/api/types'
import { t } from '~/texts'
import { failsMore, failureShare, type Figures } from './figures'
import type { Column } from './columns'
import { sumKnown } from './sums'

/** What the list of workers can be limited to. */
export const ONLY_WORKERS = ['online', 'offline', 'unknown', 'failing', 'busy'] as const
export type OnlyWorkers = (typeof ONLY_WORKERS)[number]

export function workerColumns(several: boolean): Column[] {
  const c = t.workers.column
  return [
    { key: 'name', label: c.name, width: 160, grow: 2, rank: 1, sorts: true },
    ...(several ? [{ key: 'source', label: c.source, width: 96, rank: 3, sorts: true }] : []),
    { key: 'state', label: c.state, width: 88, rank: 1, sorts: true },
    { key: 'busy', label: c.busy, width: 132, rank: 2, sorts: true },
    { key: 'succeeded', label: c.succeeded, width: 84, end: true, rank: 6, sorts: true },
    { key: 'failed', label: c.failed, width: 64, end: true, rank: 3, sorts: true },
    { key: 'rate', label: c.rate, width: 88, end: true, rank: 4, sorts: true, hint: t.workers.rateHint },
    { key: 'retried', label: c.retried, width: 76, end: true, rank: 7, sorts: true, hint: t.fleet.retriedHint },
    { key: 'processed', label: c.processed, width: 92, end: true, rank: 11, sorts: true, hint: t.workers.processedHint },
    { key: 'cpu', label: c.cpu, width: 68, end: true, rank: 8, sorts: true, hint: t.workers.cpuHint },
    { key: 'memory', label: c.memory, width: 92, end: true, rank: 9, sorts: true },
    { key: 'load', label: c.load, width: 124, rank: 14, sorts: true, hint: t.workers.loadHint },
    { key: 'queues', label: c.queues, width: 120, grow: 1, rank: 10, sorts: true },
    { key: 'pool', label: c.pool, width: 84, rank: 13, sorts: true },
    { key: 'celery', label: c.celery, width: 72, rank: 12, sorts: true },
    { key: 'seen', label: c.seen, width: 92, end: true, rank: 5, sorts: true },
  ]
}

/** Columns whose values are figures: their first sort is the greatest first. */
export const FIGURE_COLUMNS: ReadonlySet<string> = new Set(['busy', 'succeeded', 'failed', 'rate', 'retried', 'processed', 'cpu', 'memory', 'load', 'seen'])

const STATES: Record<string, number> = { online: 0, unknown: 1, offline: 2 }

export function workerValue(worker: Worker, key: string, figures: Figures, keyOf: (worker: Worker) => string): number | string | null {
  const counts = () => figures.of(keyOf(worker))
  switch (key) {
    case 'name': return worker.id
    case 'source': return worker.source
    case 'state': return STATES[worker.status] ?? 1
    case 'busy': return worker.status === 'online' ? worker.active : null
    case 'succeeded': return counts()?.success ?? null
    case 'failed': return counts()?.failure ?? null
    case 'rate': return failureShare(counts())
    case 'retried': return counts()?.retry ?? null
    case 'processed': return worker.processed
    case 'cpu': return worker.cpu_percent
    case 'memory': return worker.memory_mb
    case 'load': return worker.load?.[0] ?? null
    case 'queues': return worker.queues.join(', ') || null
    case 'pool': return worker.pool
    case 'celery': return worker.versions.celery
    default: return worker.last_seen === null ? null : Date.parse(worker.last_seen)
  }
}

/** Workers of a status, the ones that fail more than others, and those that take nothing more. */
export function isWorker(only: OnlyWorkers, worker: Worker, figures: Figures, keyOf: (worker: Worker) => string): boolean {
  if (only === 'failing') return failsMore(figures.of(keyOf(worker)), figures.sum)
  if (only === 'busy') return worker.status === 'online' && worker.concurrency !== null && (worker.active ?? 0) >= worker.concurrency
  return (worker.status as string) === only
}

/** What the workers tell, added up. */
export function sumsOf(workers: readonly Worker[]) {
  const online = workers.filter(worker => worker.status === 'online')
  const unknown = workers.filter(worker => worker.status === 'unknown').length
  return {
    // Of unknown ones nobody can say: at least so many.
    online: { n: online.length || (unknown ? null : 0), whole: unknown === 0 },
    active: sumKnown(online, worker => worker.active),
    slots: sumKnown(online, worker => worker.concurrency),
    processed: sumKnown(workers, worker => worker.processed),
    cpu: sumKnown(online, worker => worker.cpu_percent),
    memory: sumKnown(online, worker => worker.memory_mb),
  }
}
