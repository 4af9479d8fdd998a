import type { MetricsHistory, Timeseries, Totals, TotalsGroup } from '~/api/types'
import { t } from '~/texts'
import { formatSeconds } from '../format'

/** What the overview's figures need besides the live ones: the last hour and the one before, by minute and in sum. */

export const MINUTES = 60

export interface TwoHours {
  now: (number | null)[]
  before: (number | null)[]
}

/** The last whole minutes before `at` (milliseconds), two hours of them; a minute that nobody saw is null. */
export function twoHours(points: readonly { at: string }[], value: (index: number) => number | null, at: number, silent: number | null): TwoHours {
  const first = Math.floor(at / 60_000) - 2 * MINUTES
  const all = Array<number | null>(2 * MINUTES).fill(silent)
  points.forEach((point, i) => {
    const minute = Math.floor(Date.parse(point.at) / 60_000) - first
    if (minute >= 0 && minute < all.length) all[minute] = value(i)
  })
  return { before: all.slice(0, MINUTES), now: all.slice(MINUTES) }
}

export function endedPerSecond(series: Timeseries, at: number): TwoHours {
  const points = series.series.flatMap(group => group.points)
  return twoHours(points, i => (points[i]!.counts.success + points[i]!.counts.failure) / 60, at, 0)
}

export function successRates(series: Timeseries, at: number): TwoHours {
  const points = series.series.flatMap(group => group.points)
  return twoHours(points, (i) => {
    const { success, failure } = points[i]!.counts
    return success + failure > 0 ? success / (success + failure) : null
  }, at, null)
}

export function slowRuntimes(series: Timeseries, at: number): TwoHours {
  const points = series.series.flatMap(group => group.points)
  return twoHours(points, i => points[i]!.runtime.p95, at, null)
}

export function ofHistory(history: MetricsHistory, key: 'running' | 'waiting', at: number): TwoHours {
  return twoHours(history.points, i => history.points[i]![key], at, null)
}

export function meanOf(values: readonly (number | null)[]): number | null {
  const known = values.filter((value): value is number => value !== null)
  return known.length ? known.reduce((sum, n) => sum + n, 0) / known.length : null
}

export function groupOf(totals: Totals | null): TotalsGroup | null {
  return totals?.groups[0] ?? null
}

export function endedIn(totals: Totals | null): number | null {
  const group = groupOf(totals)
  return group ? group.counts.success + group.counts.failure : null
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
  if (Math.abs(by) < SAME) return { direction: 'same', text: 'no change', worse: false }
  const text = by > 9 ? `×${(by + 1).toFixed(0)}` : t.format.percent(`${Math.round(Math.abs(by) * 100)}`)
  return { direction: by > 0 ? 'up' : 'down', text, worse: more === 'worse' && by > WORSE }
}

/** A rate, in percentage points. */
export function pointsChange(now: number | null, before: number | null): Change | null {
  if (now === null || before === null) return null
  const points = (now - before) * 100
  if (Math.abs(points) < 0.05) return { direction: 'same', text: 'no change', worse: false }
  return { direction: points > 0 ? 'up' : 'down', text: `${Math.abs(points).toFixed(1)} pp`, worse: points < -1 }
}

/** For a tooltip and for who cannot see: what the figure was. */
export function beforeText(kind: 'rate' | 'share' | 'seconds' | 'count', before: number | null): string {
  if (before === null) return 'No data for the previous hour'
  const text = kind === 'share' ? `${(before * 100).toFixed(1)}%` : kind === 'seconds' ? formatSeconds(before) : kind === 'rate' ? `${before.toFixed(2)}/s` : before.toFixed(1)
  return `Previous hour: ${text}`
}
