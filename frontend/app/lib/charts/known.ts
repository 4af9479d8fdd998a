import type { System } from '~/api/types'
import type { Stale } from '../freshness'

/** Seconds since 1970. */
export interface Span {
  from: number
  to: number
}

/**
 * Times of a period in which nothing was heard from any broker: before Kanchi was there, while all of them could not be
 * heard, and since they can't be. Figures of these times are unknown, not 0. firstAt, now: milliseconds.
 */
export function unknownSpans(system: System | null, stale: readonly Stale[], firstAt: number | null, now: number, skew: number): Span[] {
  const spans: Span[] = firstAt === null ? [] : [{ from: -Infinity, to: firstAt / 1000 }]
  const sources = Object.entries(system?.ingestion ?? {})
  if (!sources.length) return spans
  const ofEach = sources.map(([name, source]) => {
    const gaps = source.gaps.map(gap => ({ from: Date.parse(gap.from ?? '') / 1000, to: Date.parse(gap.to ?? '') / 1000 }))
    const silent = stale.find(one => one.source === name && one.since !== null)
    return silent ? [...gaps, { from: (silent.since! + skew) / 1000, to: (now + skew) / 1000 + 3600 }] : gaps
  })
  return [...spans, ...ofEach.reduce(intersect)]
}

function intersect(a: readonly Span[], b: readonly Span[]): Span[] {
  return a.flatMap(one => b.map(other => ({ from: Math.max(one.from, other.from), to: Math.min(one.to, other.to) })).filter(span => span.to > span.from))
}

/** Whether the whole of a step lies in unknown times. */
export function isUnknown(spans: readonly Span[], from: number, to: number): boolean {
  let at = from
  for (const span of [...spans].sort((a, b) => a.from - b.from)) {
    if (span.from > at) return false
    at = Math.max(at, span.to)
    if (at >= to) return true
  }
  return false
}
