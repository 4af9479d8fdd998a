import type { MetricsHistory, Timeseries } from '~/api/types'
import { t } from '~/texts'
import { fixed, formatCount, formatSeconds, formatShare } from '../format'
import type { Span } from './known'
import { failureRate, stepValues } from './series'

/** A figure's past: the period, and the one before it, to compare. A step of which nothing is known is null. */
export interface Past {
  now: (number | null)[]
  before: (number | null)[]
}

export const MINUTES = 60

/** The last whole minutes before `at` (milliseconds), two hours of them; a minute that nobody saw is null. */
export function twoHours(points: readonly { at: string }[], value: (index: number) => number | null, at: number): Past {
  const first = Math.floor(at / 60_000) - 2 * MINUTES
  const all = Array<number | null>(2 * MINUTES).fill(null)
  points.forEach((point, i) => {
    const minute = Math.floor(Date.parse(point.at) / 60_000) - first
    if (minute >= 0 && minute < all.length) all[minute] = value(i)
  })
  return { before: all.slice(0, MINUTES), now: all.slice(MINUTES) }
}

/** Tasks that succeeded or failed in each step. */
export function endedSteps(series: Timeseries, unknown: readonly Span[], now: number): (number | null)[] {
  return stepValues(series, point => point ? point.counts.success + point.counts.failure : 0, unknown, now)
}

export function failureRates(series: Timeseries, unknown: readonly Span[], now: number): (number | null)[] {
  return stepValues(series, point => point ? failureRate(point.counts) : null, unknown, now)
}

export function slowRuntimes(series: Timeseries, unknown: readonly Span[], now: number): (number | null)[] {
  return stepValues(series, point => point?.runtime.p95 ?? null, unknown, now)
}

export function ofHistory(history: MetricsHistory, key: 'running' | 'waiting', at: number): Past {
  return twoHours(history.points, i => history.points[i]![key], at)
}

export function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value): value is number => value !== null)
  return known.length ? known.reduce((sum, n) => sum + n, 0) / known.length : null
}

export interface Change {
  direction: 'up' | 'down' | 'same'
  text: string
  /** Whether it is for the worse, as far as one can say. */
  worse: boolean
}

/** A share of change below this is none. */
const SAME = 0.02
const WORSE = 0.2

/** By how many percent something grew or shrank; `more` says what more of it means. */
export function relativeChange(now: number | null, before: number | null, more: 'worse' | 'neutral'): Change | null {
  if (now === null || before === null || before <= 0) return null
  const by = now / before - 1
  if (Math.abs(by) < SAME) return { direction: 'same', text: t.overview.noChange, worse: false }
  const text = by > 9 ? `×${(by + 1).toFixed(0)}` : t.format.percent(`${Math.round(Math.abs(by) * 100)}`)
  return { direction: by > 0 ? 'up' : 'down', text, worse: more === 'worse' && by > WORSE }
}

/** A failure rate, in percentage points: more is worse. */
export function pointsChange(now: number | null, before: number | null): Change | null {
  if (now === null || before === null) return null
  const points = (now - before) * 100
  if (Math.abs(points) < 0.05) return { direction: 'same', text: t.overview.noChange, worse: false }
  return { direction: points > 0 ? 'up' : 'down', text: t.overview.points(fixed(Math.abs(points), 1)), worse: points > 1 }
}

/** For a tooltip and for who cannot see: what the figure was. */
export function beforeText(kind: 'share' | 'seconds' | 'count', before: number | null, period: string): string {
  if (before === null) return t.overview.noBefore(period)
  const text = kind === 'share' ? formatShare(before) : kind === 'seconds' ? formatSeconds(before) : Number.isInteger(before) ? formatCount(before) : fixed(before, 1)
  return t.overview.before(period, text)
}
