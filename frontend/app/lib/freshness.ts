import type { System } from '~/api/types'

/** What keeps the page from being true now: nothing new comes any more, from somewhere on. */
export type StaleCause = 'offline' | 'gateway' | 'storage' | 'aggregation' | 'ingestion' | 'broker'

export interface Stale {
  cause: StaleCause
  /** The broker's name, of ingestion and broker. */
  source: string | null
  /** Up to when the data is good, in the viewer's clock; null when the page has no data yet. */
  since: number | null
  /** What the service says about it. */
  detail: string | null
}

/** All that the page knows about how fresh its data is. Times are the viewer's clock, in milliseconds. */
export interface Signals {
  now: number
  openedAt: number
  browserOnline: boolean
  /** The WebSocket is open and has said hello. */
  connectedAt: number | null
  /** The last frame. */
  heardAt: number | null
  feed: boolean
  system: System | null
  systemAt: number | null
  /** The gateway itself says that storage has not responded since then; null while it does. */
  storageSince: number | null
  metricsAt: number | null
  /** The gateway's clock minus the viewer's. */
  skew: number
}

/** A connection that is gone for less than this is not worth a word: the gateway restarts within it. */
const GRACE_MS = 1_500
const FIRST_MS = 3_000
/** The gateway sends storage's state every two seconds and figures every second. */
const SYSTEM_MS = 4_500
const METRICS_MS = 4_000
/** Nobody is blamed while nothing at all is heard: the connection itself may be gone, which is known soon. */
const HEARD_MS = 2_500
const CONNECTING_MS = 3_000

/** What is stale, the cause first; what only follows from it is left out. */
export function staleOf(s: Signals): Stale[] {
  if (!s.browserOnline) return [{ cause: 'offline', source: null, since: s.heardAt, detail: null }]
  if (s.connectedAt === null) {
    const lost = s.heardAt === null ? s.now - s.openedAt > FIRST_MS : s.now - s.heardAt > GRACE_MS
    if (lost) return [{ cause: 'gateway', source: null, since: s.heardAt, detail: null }]
    // REST may have answered already.
    return s.storageSince === null ? staleSources(s) : [{ cause: 'storage', source: null, since: s.storageSince, detail: null }]
  }
  const storage = staleStorage(s, s.connectedAt)
  if (storage) return [storage]
  return [...staleAggregation(s, s.connectedAt), ...staleSources(s)]
}

function staleStorage(s: Signals, connectedAt: number): Stale | null {
  if (s.storageSince !== null) return { cause: 'storage', source: null, since: s.storageSince, detail: null }
  const silent = isSilent(s, s.systemAt, connectedAt, SYSTEM_MS)
  if (silent || (!s.feed && s.now - connectedAt > SYSTEM_MS)) return { cause: 'storage', source: null, since: s.systemAt, detail: null }
  const broken = s.system?.services.find(service => service.name === 'storage' && service.state === 'degraded')
  return broken ? { cause: 'storage', source: null, since: null, detail: broken.detail } : null
}

function isSilent(s: Signals, at: number | null, connectedAt: number, most: number): boolean {
  const silence = s.now - Math.max(at ?? 0, connectedAt)
  return silence > most && (s.now - (s.heardAt ?? 0) < HEARD_MS || silence > most + HEARD_MS)
}

function staleAggregation(s: Signals, connectedAt: number): Stale[] {
  const silent = isSilent(s, s.metricsAt, connectedAt, METRICS_MS)
  if (!silent) return []
  const seen = Date.parse(s.system?.services.find(service => service.name === 'aggregation')?.seen_at ?? '')
  return [{ cause: 'aggregation', source: null, since: s.metricsAt ?? (Number.isNaN(seen) ? null : seen - s.skew), detail: null }]
}

function staleSources(s: Signals): Stale[] {
  const sources = Object.entries(s.system?.ingestion ?? {})
  return sources.flatMap(([name, source]): Stale[] => {
    const services = s.system!.services.filter(service => service.source === name)
    // Without any service it was probably removed from the configuration; of a single source that can't be.
    if (services.length === 0 && sources.length > 1) return []
    const ingestions = services.filter(service => service.name === 'ingestion')
    if (!ingestions.some(service => service.state !== 'away')) {
      const seen = Math.max(...ingestions.map(service => Date.parse(service.seen_at ?? '')).filter(Number.isFinite), 0)
      return [{ cause: 'ingestion', source: name, since: seen ? seen - s.skew : null, detail: null }]
    }
    const since = source.since ? Date.parse(source.since) - s.skew : null
    const starts = source.state === 'connecting' && !source.error && s.now - (since ?? s.openedAt) < CONNECTING_MS
    if (source.state === 'connected' || starts) return []
    return [{ cause: 'broker', source: name, since, detail: source.error }]
  })
}

/** Up to when data of a source is good; null while it is live. Without a source: of everything. */
export function goodUntil(stale: readonly Stale[], sources: readonly string[], source?: string): number | null {
  const whole = stale.find(one => one.cause === 'offline' || one.cause === 'gateway' || one.cause === 'storage')
  if (whole) return whole.since ?? 0
  const silent = stale.filter(one => one.cause === 'ingestion' || one.cause === 'broker')
  if (source !== undefined) {
    const own = silent.find(one => one.source === source)
    return own ? own.since ?? 0 : null
  }
  const all = sources.length > 0 && sources.every(name => silent.some(one => one.source === name))
  return all ? Math.max(...silent.map(one => one.since ?? 0)) : null
}

/**
 * The same, and since the time known before, of what was stale already: a broker gets a new state with each attempt to
 * connect, and the difference of two clocks wobbles.
 */
export function steady(next: readonly Stale[], before: readonly Stale[]): readonly Stale[] {
  const kept = next.map((one) => {
    const same = before.find(other => other.cause === one.cause && other.source === one.source)
    return same && same.since !== null && one.since !== null ? { ...one, since: Math.min(same.since, one.since) } : one
  })
  return JSON.stringify(kept) === JSON.stringify(before) ? before : kept
}
