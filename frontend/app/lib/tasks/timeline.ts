import type { TaskEvent, TaskStatus } from '~/api/types'
import { parseTime } from '../format'
import { statusOfEvent } from '../status'
import { t } from '~/texts'

/** One event as the timeline shows it. */
export interface Step {
  event: TaskEvent
  status: TaskStatus | null
  label: string
  at: number
  /** Seconds since the step before; null for the first. */
  since: number | null
}

/** Who told a step: the process that sent the event, or whom Kanchi asked. */
export function tellerOf(event: Pick<TaskEvent, 'origin' | 'worker_id' | 'pid'>): string {
  const words = t.task.teller
  if (event.origin === 'backend') return words.backend
  if (event.origin === 'broker') return words.broker
  if (event.origin === 'worker') return words.worker(event.worker_id)
  return event.pid === null ? event.worker_id ?? '' : words.process(event.worker_id, event.pid)
}

export function stepsOf(events: readonly TaskEvent[]): Step[] {
  let before: number | null = null
  return inOrder(events).map((event) => {
    // Several clocks stamp the events: a time is never shown before that of what led to it.
    const at = Math.max(parseTime(event.timestamp) ?? 0, before ?? 0)
    const step: Step = {
      event,
      status: statusOfEvent(event.type),
      label: (t.task.steps as Record<string, string>)[event.type] ?? event.type,
      at,
      since: before === null ? null : (at - before) / 1000,
    }
    before = at
    return step
  })
}

const RANK: Record<string, number> = { 'task-sent': 0, 'task-received': 1, 'task-started': 2 }
/** Clocks that differ by more than this are not mended by their order. */
const ASKEW_MS = 1000

/** By time; but what was sent goes before its receipt, and that before its start, when their clocks differ by little. */
function inOrder(events: readonly TaskEvent[]): TaskEvent[] {
  let retried = 0
  const list = events.map((event) => {
    const told = event.fields?.retries
    const attempt = typeof told === 'number' && event.type !== 'task-started' ? told : retried
    if (event.type === 'task-retried') retried++
    return { event, attempt, rank: RANK[event.type], at: parseTime(event.timestamp) ?? 0 }
  })
  const isEarlier = (one: (typeof list)[number], other: (typeof list)[number]) =>
    one.rank !== undefined && other.rank !== undefined && one.rank < other.rank && one.attempt === other.attempt && Math.abs(one.at - other.at) <= ASKEW_MS
  for (let i = 1; i < list.length; i++) {
    for (let k = i; k > 0 && isEarlier(list[k]!, list[k - 1]!); k--) [list[k - 1], list[k]] = [list[k]!, list[k - 1]!]
  }
  return list.map(({ event }) => event)
}
