import type { Task, TaskEvent, TaskStatus } from '~/api/types'
import { parseTime } from '../format'
import { statusOfEvent, hasEnded } from '../status'

/** A stretch of one try, drawn as a bar. */
export interface Span {
  kind: 'queued' | 'waiting' | 'running'
  status: TaskStatus
  from: number
  to: number
  /** Whether it still goes on. */
  open: boolean
}

/** One try at a task. */
export interface Attempt {
  number: number
  spans: Span[]
  /** How it ended, or what it is doing. */
  status: TaskStatus
}

interface Moments { sent?: number, received?: number, started?: number, ended?: number, status?: TaskStatus }

/**
 * The tries of a task from its events. A worker sends the next try's message before it says that this one is to be
 * retried, so it is the number of retries in an event, not its place, that tells whose it is.
 */
export function attemptsOf(task: Task, events: readonly TaskEvent[], now: number): Attempt[] {
  const tries: Moments[] = []
  let retried = 0
  for (const event of events) {
    const at = parseTime(event.timestamp)
    const status = statusOfEvent(event.type)
    if (at === null || status === null) continue
    const told = Number(event.fields?.retries)
    const isNamed = (status === 'pending' || status === 'received') && Number.isInteger(told) && told >= 0 && told < events.length
    const moments = tries[isNamed ? told : retried] ??= {}
    if (status === 'pending') moments.sent ??= at
    else if (status === 'received') moments.received ??= at
    else if (status === 'started') moments.started ??= at
    else { moments.ended = at; moments.status = status }
    if (status === 'retry') retried++
  }
  const last = tries.length - 1
  return tries.flatMap((moments, i) => moments
    ? [{ number: i + 1, spans: spansOf(moments, i === last && !hasEnded(task.status) ? now : null), status: moments.status ?? (i === last ? task.status : 'retry') }]
    : []).filter(attempt => attempt.spans.length > 0)
}

function spansOf(moments: Moments, now: number | null): Span[] {
  const kinds: [Span['kind'], TaskStatus, number | undefined][] = [['queued', 'pending', moments.sent], ['waiting', 'received', moments.received], ['running', 'started', moments.started]]
  const known = kinds
    .flatMap(([kind, status, from]) => from === undefined ? [] : [{ kind, status, from }])
    .sort((a, b) => a.from - b.from)
  return known.flatMap(({ kind, status, from }, i) => {
    const next = known[i + 1]?.from ?? moments.ended
    const to = next ?? (now === null ? undefined : Math.max(now, from))
    return to === undefined || to < from ? [] : [{ kind, status, from, to, open: next === undefined }]
  })
}

export interface Part {
  span: Span
  /** Shares of the whole, 0 to 1. */
  left: number
  width: number
}

/** Where each stretch lies on an axis from `from` to `to`. */
export function partsOf(spans: readonly Span[], from: number, to: number): Part[] {
  const whole = Math.max(1e-9, to - from)
  return spans.map(span => ({ span, left: (span.from - from) / whole, width: (span.to - span.from) / whole }))
}
