import type { Task, TaskEvent, TaskStatus } from '~/api/types'
import { parseTime } from '../format'
import { statusOfEvent, hasEnded } from '../status'

/** A stretch of one try, drawn as a bar. Scheduled: a worker has it, and keeps it until its ETA. */
export interface Span {
  kind: 'queued' | 'scheduled' | 'prefetched' | 'running'
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

interface Moments { sent?: number, received?: number, started?: number, ended?: number, eta?: number, status?: TaskStatus }

/**
 * The tries of a task from its events. A worker sends the next try's message before it says that this one is to be
 * retried, so it is the number of retries in an event, not its place, that tells whose it is. `frozenAt`: the last sign
 * of its worker, when nothing is known beyond.
 */
export function attemptsOf(task: Task, events: readonly TaskEvent[], now: number, frozenAt: number | null = null): Attempt[] {
  const tries: Moments[] = []
  let retried = 0
  for (const event of events) {
    const at = parseTime(event.timestamp)
    const status = statusOfEvent(event.type)
    if (at === null || status === null) continue
    const told = Number(event.fields?.retries)
    const isNamed = (status === 'pending' || status === 'received') && Number.isInteger(told) && told >= 0 && told < events.length
    const moments = tries[isNamed ? told : retried] ??= {}
    if (isNamed || status === 'pending' || status === 'received') moments.eta ??= parseTime(textOf(event.fields?.eta)) ?? undefined
    if (status === 'pending') moments.sent ??= at
    else if (status === 'received') moments.received ??= at
    else if (status === 'started') moments.started ??= at
    else { moments.ended = at; moments.status = status }
    if (status === 'retry') retried++
  }
  const last = tries.length - 1
  return tries.flatMap((moments, i) => moments
    ? [{ number: i + 1, spans: spansOf(moments, i === last && !hasEnded(task.status) ? frozenAt ?? now : null, frozenAt === null), status: moments.status ?? (i === last ? task.status : 'retry') }]
    : []).filter(attempt => attempt.spans.length > 0)
}

/** Several clocks stamp a task's events: a millisecond between them must not turn its life around. */
function spansOf(moments: Moments, until: number | null, isOpen: boolean): Span[] {
  const sent = moments.sent
  const received = later(moments.received, sent)
  const started = later(moments.started, received ?? sent)
  const ended = later(moments.ended, started ?? received ?? sent)
  // An ETA that is over when a worker takes the task made it wait for nothing.
  const ready = received !== undefined && moments.eta !== undefined && moments.eta > received ? moments.eta : undefined
  const end = started ?? ended
  const known: [Span['kind'], TaskStatus, number | undefined][] = [
    ['queued', 'pending', sent],
    ['scheduled', 'received', ready === undefined ? undefined : received],
    ['prefetched', 'received', ready === undefined ? received : (end ?? until ?? 0) > ready ? ready : undefined],
    ['running', 'started', started],
  ]
  const stretches = known.flatMap(([kind, status, from]) => from === undefined ? [] : [{ kind, status, from }])
  return stretches.flatMap(({ kind, status, from }, i) => {
    const next = stretches[i + 1]?.from ?? ended
    const to = next ?? (until === null ? undefined : Math.max(until, from))
    return to === undefined ? [] : [{ kind, status, from, to, open: next === undefined && isOpen }]
  })
}

function later(at: number | undefined, than: number | undefined): number | undefined {
  return at !== undefined && than !== undefined ? Math.max(at, than) : at
}

function textOf(value: unknown): string | null {
  return typeof value === 'string' ? value : null
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
