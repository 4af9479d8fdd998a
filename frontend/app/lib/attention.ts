import type { Queue, Worker } from '~/api/types'

/** A worker that went longer ago than this and holds no tasks was taken away, and is nobody's trouble. */
const RECENT_MS = 30 * 60_000

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
