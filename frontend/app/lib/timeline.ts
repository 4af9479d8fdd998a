import type { Task, TaskEvent, TaskStatus } from '~/api/types'
import { parseTime } from './format'
import { statusOfEvent } from './status'

/** One event as the timeline shows it. */
export interface Step {
  event: TaskEvent
  status: TaskStatus | null
  label: string
  at: number
  /** Seconds since the step before; null for the first. */
  since: number | null
}

const LABEL: Record<string, string> = {
  'task-sent': 'Sent',
  'task-received': 'Received',
  'task-started': 'Started',
  'task-succeeded': 'Succeeded',
  'task-failed': 'Failed',
  'task-retried': 'Retry scheduled',
  'task-revoked': 'Revoked',
  'task-rejected': 'Rejected',
  'task-orphaned': 'Orphaned',
}

/** Who told a step: the process that sent the event, or whom Kanchi asked. */
export function tellerOf(event: Pick<TaskEvent, 'origin' | 'worker_id' | 'pid'>): string {
  if (event.origin === 'backend') return 'from the result backend'
  if (event.origin === 'worker') return `${event.worker_id ?? 'its worker'}, when it was asked`
  return event.pid === null ? event.worker_id ?? '' : `${event.worker_id}, pid ${event.pid}`
}

export function stepsOf(events: readonly TaskEvent[]): Step[] {
  let before: number | null = null
  return events.map((event) => {
    const at = parseTime(event.timestamp) ?? 0
    const step: Step = {
      event,
      status: statusOfEvent(event.type),
      label: LABEL[event.type] ?? event.type,
      at,
      since: before === null ? null : (at - before) / 1000,
    }
    before = at
    return step
  })
}

/** A stretch of a task's life, drawn as a bar. */
export interface Span {
  kind: 'queued' | 'waiting' | 'running' | 'retrying'
  status: TaskStatus
  from: number
  to: number
  /** Whether it still goes on. */
  open: boolean
}

const AFTER: Record<string, Pick<Span, 'kind' | 'status'> | undefined> = {
  'task-sent': { kind: 'queued', status: 'pending' },
  'task-received': { kind: 'waiting', status: 'received' },
  'task-started': { kind: 'running', status: 'started' },
  'task-retried': { kind: 'retrying', status: 'retry' },
}

/** What lies between the events, oldest first. The last stretch of a task that has not ended reaches to `now`. */
export function spansOf(task: Task, events: readonly TaskEvent[], now: number): Span[] {
  const known = events.filter(event => statusOfEvent(event.type) !== null)
  const spans: Span[] = []
  known.forEach((event, i) => {
    const after = AFTER[event.type]
    const from = parseTime(event.timestamp)
    if (!after || from === null) return
    const next = known[i + 1]
    const open = next === undefined && task.completed_at === null
    const to = next ? parseTime(next.timestamp) : open ? Math.max(now, from) : parseTime(task.completed_at)
    if (to === null || to < from) return
    spans.push({ ...after, from, to, open })
  })
  return spans
}
