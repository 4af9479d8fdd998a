import type { StatusCounts, TaskStatus, Timeseries, TimeseriesPoint } from '~/api/types'
import { isUnknown, type Span } from './known'

/** What the throughput chart stacks, from the axis upwards: how tasks ended. */
export const OUTCOMES: readonly TaskStatus[] = ['success', 'retry', 'revoked', 'rejected', 'orphaned', 'failure']

export interface OutcomeColumns {
  /** Begin of each step, in seconds since 1970; every step is there, also the empty ones. */
  at: number[]
  step: number
  /** Counts by status, beside `at`; null while nothing was known. */
  counts: Record<string, (number | null)[]>
  total: number
  /** The step that is not over yet; -1 when all are. */
  unfinished: number
}

/** Fills in the steps that the answer leaves out: 0 where Kanchi listened, null where it did not. now: milliseconds. */
export function outcomeColumns(series: Timeseries, unknown: readonly Span[] = [], now = Infinity): OutcomeColumns {
  const { at, step } = stepsOf(series)
  const known = at.map(from => !isUnknown(unknown, from, from + step))
  const counts: Record<string, (number | null)[]> = {}
  for (const status of OUTCOMES) counts[status] = known.map(is => is ? 0 : null)
  let total = 0
  for (const [i, point] of placed(series)) {
    for (const status of OUTCOMES) {
      counts[status]![i] = (counts[status]![i] ?? 0) + point.counts[status]
      total += point.counts[status]
    }
  }
  const last = at.length - 1
  return { at, step, counts, total, unfinished: last >= 0 && at[last]! + step > now / 1000 ? last : -1 }
}

/** A figure of each step that is over; null where nothing was known, or it has no value. */
export function stepValues(series: Timeseries, value: (point: TimeseriesPoint | null) => number | null, unknown: readonly Span[], now: number): (number | null)[] {
  const { at, step } = stepsOf(series)
  const points = new Map(placed(series))
  return at.filter(from => from + step <= now / 1000).map((from, i) => {
    const point = points.get(i) ?? null
    return point === null && isUnknown(unknown, from, from + step) ? null : value(point)
  })
}

function stepsOf(series: Timeseries): { at: number[], step: number } {
  const step = Math.max(1, series.step_seconds)
  const begin = Math.floor(Date.parse(series.from) / 1000 / step) * step
  const end = Math.floor(Date.parse(series.to) / 1000)
  const length = Math.min(1500, Math.max(0, Math.ceil((end - begin) / step)))
  return { at: Array.from({ length }, (_, i) => begin + i * step), step }
}

/** The points with the number of their step. */
function placed(series: Timeseries): [number, TimeseriesPoint][] {
  const { at, step } = stepsOf(series)
  return series.series.flatMap(group => group.points)
    .map((point): [number, TimeseriesPoint] => [Math.floor((Date.parse(point.at) / 1000 - (at[0] ?? 0)) / step), point])
    // The answer may have empty points, too: they say no more than a missing one.
    .filter(([i, point]) => i >= 0 && i < at.length && Object.values(point.counts).some(n => n > 0))
}

/** Tasks that are over, of counts by status. */
export function endedOf(counts: Omit<StatusCounts, 'pending' | 'received' | 'started' | 'retry'>): number {
  return counts.success + counts.failure + counts.revoked + counts.rejected + counts.orphaned
}

/** Share of failures; null when nothing succeeded or failed. */
export function failureRate(counts: Pick<StatusCounts, 'success' | 'failure'>): number | null {
  const { success, failure } = counts
  return success + failure > 0 ? failure / (success + failure) : null
}

/** Heights of stacked columns: element i is the sum of the series up to and including i. */
export function stack(rows: readonly (readonly (number | null)[])[]): (number | null)[][] {
  const stacked: (number | null)[][] = []
  rows.forEach((row, i) => {
    const below = stacked[i - 1]
    stacked.push(row.map((value, x) => value === null ? null : value + (below?.[x] ?? 0)))
  })
  return stacked
}
