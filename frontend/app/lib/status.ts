import type { TaskStatus } from '~/api/types'
import { t } from '~/texts'

/** Every status, in the order in which a task's life goes; the one list behind filters, legends and charts. */
export const STATUSES: readonly TaskStatus[] = [
  'pending', 'received', 'started', 'success', 'failure', 'retry', 'revoked', 'rejected', 'orphaned',
]

/** Statuses after which nothing more happens by itself. */
const ENDED: ReadonlySet<TaskStatus> = new Set(['success', 'failure', 'revoked', 'rejected', 'orphaned'])

export function hasEnded(status: TaskStatus): boolean {
  return ENDED.has(status)
}

export function isStatus(text: string): text is TaskStatus {
  return (STATUSES as readonly string[]).includes(text)
}

/** The status that an event's type stands for; custom events stand for none. */
export function statusOfEvent(type: string): TaskStatus | null {
  return EVENT_STATUS[type] ?? null
}

const EVENT_STATUS: Record<string, TaskStatus> = {
  'task-sent': 'pending',
  'task-received': 'received',
  'task-started': 'started',
  'task-succeeded': 'success',
  'task-failed': 'failure',
  'task-retried': 'retry',
  'task-revoked': 'revoked',
  'task-rejected': 'rejected',
  'task-orphaned': 'orphaned',
}

/** What a worker's status is called. */
export function workerLabel(status: string): string {
  return status === 'online' ? t.workers.online : status === 'offline' ? t.workers.offline : t.workers.unknown
}
