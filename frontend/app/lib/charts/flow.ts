import type { Timeseries } from '~/api/types'

/** Tasks a second into and out of a queue, by time, without the last step: it is not over yet. */
export interface Flow {
  at: number[]
  into: number[]
  out: number[]
}

export function flowOf(series: Timeseries): Flow {
  const step = Math.max(60, series.step_seconds)
  const begin = Math.floor(Date.parse(series.from) / 1000)
  const length = Math.min(1500, Math.max(0, Math.floor((Date.parse(series.to) / 1000 - begin) / step) - 1))
  const flow: Flow = { at: Array.from({ length }, (_, i) => begin + i * step), into: Array<number>(length).fill(0), out: Array<number>(length).fill(0) }
  for (const point of series.series.flatMap(group => group.points)) {
    const i = Math.floor((Date.parse(point.at) / 1000 - begin) / step)
    if (i < 0 || i >= length) continue
    flow.into[i]! += point.counts.pending / step
    flow.out[i]! += point.counts.received / step
  }
  return flow
}
