import type { TaskStatus } from '~/api/types'

/** Every status, in the order in which a task's life goes; the one list behind filters, legends and charts. */
export const STATUSES: readonly TaskStatus[] = [
  'pending', 'received', 'started', 'success', 'failure', 'retry', 'revoked', 'rejected', 'orphaned',
]

export const STATUS_LABEL: Record<TaskStatus, string> = {
  pending: 'Pending',
  received: 'Waiting',
  started: 'Running',
  success: 'Success',
  failure: 'Failure',
  retry: 'Retry',
  revoked: 'Revoked',
  rejected: 'Rejected',
  orphaned: 'Orphaned',
}

export const STATUS_HELP: Record<TaskStatus, string> = {
  pending: 'Sent; no worker has it yet.',
  received: 'A worker has it and has not begun.',
  started: 'A worker runs it.',
  success: 'It returned.',
  failure: 'It raised an exception.',
  retry: 'It failed and will be tried again.',
  revoked: 'It was taken back, or its time was over.',
  rejected: 'The worker refused the message.',
  orphaned: 'Its worker does not have it any more, and nobody knows how it ended.',
}

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
