import type { Task, TaskStatus, Worker } from '~/api/types'
import { formatClock, parseTime } from '../format'
import { hasEnded } from '../status'
import { t } from '~/texts'

/** How a task stands, in words: its status, and what its worker, its ETA and the way in which it was revoked add to it. Pure. */

export type WorkerSeen = Pick<Worker, 'last_seen' | 'started_at'> & { status: string }

export interface Standing {
  /** For a list: one or two words. */
  word: string
  /** Whole sentences; null when the word says it all. */
  note: string | null
  /** Whose shape and colour it has. */
  look: TaskStatus
  /** When the last sign of it was, in milliseconds: its clocks stop there. null while they run. */
  frozenAt: number | null
}

type Facts = Pick<Task, 'status' | 'status_from' | 'eta' | 'worker_id' | 'started_at' | 'retried_at' | 'revoked_at' | 'terminated' | 'expired' | 'revoked_signum'>

export function standingOf(task: Facts, worker: WorkerSeen | undefined, now: number, utc = false): Standing {
  const words = t.task.standing
  const label = t.status.label[task.status]
  const clock = (ms: number) => formatClock(new Date(ms).toISOString(), now, false, utc)
  const plain = (word: string, note: string | null = null): Standing => ({ word, note, look: task.status, frozenAt: null })
  if (task.status === 'revoked') return plain(task.expired ? words.expired : task.terminated ? words.terminated : label, revokedHow(task))
  if (task.status === 'orphaned') return plain(label, words.lost)
  if (hasEnded(task.status)) return plain(label)

  const isHeld = task.status === 'received' || task.status === 'started'
  const seen = parseTime(worker?.last_seen)
  if (isHeld && worker && worker.status !== 'online') {
    const since = seen === null ? null : clock(seen)
    if (worker.status !== 'offline') return { word: words.unknown, note: words.workerUnknown(since), look: task.status, frozenAt: seen ?? now }
    const note = task.status === 'started' ? words.offlineRunning(since) : words.offlineReceived(since)
    return { word: words.offline, note, look: 'orphaned', frozenAt: seen ?? now }
  }
  const eta = parseTime(task.eta)
  if (eta !== null && eta > now && (task.status === 'pending' || task.status === 'received')) return plain(words.scheduled, words.startsAt(clock(eta)))
  if (eta !== null && eta > now && task.status === 'retry') return plain(label, words.retriesAt(clock(eta)))
  if (task.status === 'received') return plain(label, words.prefetched)
  return plain(label)
}

/** When it was revoked, as seen from its run. */
export function revokedHow(task: Facts): string {
  const words = t.task.standing
  if (task.expired) return words.revokedExpired
  if (task.terminated) return words.revokedRunning(task.revoked_signum)
  const started = parseTime(task.started_at)
  if (started === null) return words.revokedBefore
  const retried = parseTime(task.retried_at)
  return retried !== null && retried >= started ? words.revokedBeforeRetry : words.revokedAfter
}

/** When the process that ran the task was last known to live; null when nothing says that it died before the task ended. */
export function lastSignOf(task: Pick<Task, 'status_from' | 'started_at'>, worker: WorkerSeen | undefined): number | null {
  if (!worker || task.status_from === 'events') return null
  return worker.status === 'offline' ? parseTime(worker.last_seen) : null
}

/** Whether the worker was started again after the task had begun: nobody saw its process end. */
export function hasRestarted(task: Pick<Task, 'status_from' | 'started_at'>, worker: WorkerSeen | undefined): boolean {
  const [began, up] = [parseTime(task.started_at), parseTime(worker?.started_at)]
  return task.status_from !== 'events' && began !== null && up !== null && up > began
}
