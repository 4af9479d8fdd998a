import type { TaskEvent, TaskStatus } from '~/api/types'
import { parseTime } from '../format'
import { statusOfEvent } from '../status'

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
  'task-orphaned': 'Lost',
}

/** Who told a step: the process that sent the event, or whom Kanchi asked. */
export function tellerOf(event: Pick<TaskEvent, 'origin' | 'worker_id' | 'pid'>): string {
  if (event.origin === 'backend') return 'from the result backend'
  if (event.origin === 'worker') return `reported by ${event.worker_id ?? 'its worker'} on request`
  return event.pid === null ? event.worker_id ?? '' : `${event.worker_id}, PID ${event.pid}`
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
