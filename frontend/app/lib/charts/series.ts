import type { TaskStatus, Timeseries, TimeseriesPoint } from '~/api/types'

/** What the throughput chart stacks, from the axis upwards: how tasks ended. */
export const OUTCOMES: readonly TaskStatus[] = ['success', 'retry', 'revoked', 'rejected', 'orphaned', 'failure']

export interface OutcomeColumns {
  /** Begin of each step, in seconds since 1970; every step is there, also the empty ones. */
  at: number[]
  step: number
  /** Counts by status, beside `at`. */
  counts: Record<string, number[]>
  total: number
}

/** Fills in the steps that the answer leaves out, so that silence shows as silence. */
export function outcomeColumns(series: Timeseries): OutcomeColumns {
  const step = Math.max(1, series.step_seconds)
  const begin = Math.floor(Date.parse(series.from) / 1000)
  const end = Math.floor(Date.parse(series.to) / 1000)
  const length = Math.min(1500, Math.max(0, Math.ceil((end - begin) / step)))
  const at = Array.from({ length }, (_, i) => begin + i * step)
  const counts: Record<string, number[]> = {}
  for (const status of OUTCOMES) counts[status] = Array<number>(length).fill(0)
  let total = 0
  for (const point of pointsOf(series)) {
    const i = Math.floor((Date.parse(point.at) / 1000 - begin) / step)
    if (i < 0 || i >= length) continue
    for (const status of OUTCOMES) {
      counts[status]![i]! += point.counts[status]
      total += point.counts[status]
    }
  }
  return { at, step, counts, total }
}

function pointsOf(series: Timeseries): TimeseriesPoint[] {
  return series.series.flatMap(group => group.points)
}

/** Heights of stacked columns: element i is the sum of the series up to and including i. */
export function stack(rows: readonly (readonly number[])[]): number[][] {
  const stacked: number[][] = []
  rows.forEach((row, i) => {
    const below = stacked[i - 1]
    stacked.push(row.map((value, x) => value + (below?.[x] ?? 0)))
  })
  return stacked
}
