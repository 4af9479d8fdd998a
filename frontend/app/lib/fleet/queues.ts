import type { Queue } from '~/api/types'
import type { Rates } from '~/composables/queues/useQueueRates'
import { t } from '~/texts'
import { isStranded } from '../attention'
import type { Column } from './columns'
import { failsMore, failureShare, type Figures } from './figures'

/** What the list of queues can be limited to. */
export const ONLY_QUEUES = ['stranded', 'waiting', 'paused', 'failing'] as const
export type OnlyQueues = (typeof ONLY_QUEUES)[number]

export function queueColumns(several: boolean): Column[] {
  const c = t.queues.column
  return [
    { key: 'name', label: c.name, width: 168, grow: 2, rank: 1, sorts: true },
    ...(several ? [{ key: 'source', label: c.source, width: 96, rank: 4, sorts: true }] : []),
    { key: 'messages', label: c.messages, width: 88, end: true, rank: 1, sorts: true },
    { key: 'history', label: c.history, width: 120, rank: 6 },
    { key: 'consumers', label: c.consumers, width: 112, rank: 1, sorts: true },
    { key: 'into', label: c.into, width: 68, end: true, rank: 4, sorts: true, hint: t.queues.intoHint },
    { key: 'out', label: c.out, width: 68, end: true, rank: 4, sorts: true, hint: t.queues.outHint },
    { key: 'waited', label: c.waited, width: 84, end: true, rank: 3, sorts: true, hint: t.queues.waitedHint },
    { key: 'succeeded', label: c.succeeded, width: 84, end: true, rank: 9, sorts: true },
    { key: 'failed', label: c.failed, width: 64, end: true, rank: 7, sorts: true },
    { key: 'rate', label: c.rate, width: 88, end: true, rank: 8, sorts: true, hint: t.queues.rateHint },
    { key: 'retried', label: c.retried, width: 72, end: true, rank: 11, sorts: true, hint: t.fleet.retriedHint },
    { key: 'unacked', label: c.unacked, width: 72, end: true, rank: 10, sorts: true, hint: t.queues.unackedHint },
    { key: 'workers', label: c.workers, width: 120, grow: 1, rank: 12, sorts: true },
    { key: 'measured', label: c.measured, width: 92, end: true, rank: 5, sorts: true },
  ]
}

/** Columns whose values are figures: their first sort is the greatest first. */
export const QUEUE_FIGURES: ReadonlySet<string> = new Set(['messages', 'into', 'out', 'waited', 'succeeded', 'failed', 'rate', 'retried', 'unacked', 'measured'])

export interface QueueFacts {
  figures: Figures
  rates: ReadonlyMap<string, Rates>
  keyOf: (queue: Queue) => string
}

export function consumersOf(queue: Queue): number {
  return queue.consumers ?? queue.workers.length
}

export function queueValue(queue: Queue, key: string, { figures, rates, keyOf }: QueueFacts): number | string | null {
  const counts = () => figures.of(keyOf(queue))
  switch (key) {
    case 'name': return queue.name
    case 'source': return queue.source
    case 'messages': return queue.depth
    case 'consumers': return consumersOf(queue)
    case 'into': return rates.get(queue.name)?.into ?? null
    case 'out': return rates.get(queue.name)?.out ?? null
    case 'waited': return figures.groupOf(keyOf(queue))?.queue_wait.p95 ?? null
    case 'succeeded': return counts()?.success ?? null
    case 'failed': return counts()?.failure ?? null
    case 'rate': return failureShare(counts())
    case 'retried': return counts()?.retry ?? null
    case 'unacked': return queue.unacked
    case 'workers': return queue.workers.join(', ') || null
    default: return queue.measured_at === null ? null : Date.parse(queue.measured_at)
  }
}

export function isQueue(only: OnlyQueues, queue: Queue, { figures, keyOf }: QueueFacts): boolean {
  switch (only) {
    case 'stranded': return isStranded(queue)
    case 'waiting': return (queue.depth ?? 0) > 0
    case 'paused': return queue.paused !== null
    default: return failsMore(figures.of(keyOf(queue)), figures.sum)
  }
}
