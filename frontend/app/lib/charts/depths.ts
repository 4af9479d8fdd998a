import type { Queue } from '~/api/types'

const MINUTES = 60

/** The last depth that was measured in each of the last 60 minutes; null where none was, but a depth holds until the next one. */
export function depthsByMinute(history: Queue['history'], now: number): (number | null)[] {
  const first = Math.floor(now / 60_000) - MINUTES + 1
  const depths = Array<number | null>(MINUTES).fill(null)
  for (const point of history) {
    const minute = Math.floor(Date.parse(point.at) / 60_000) - first
    if (minute >= 0 && minute < MINUTES) depths[minute] = point.depth
  }
  // Measured seldom: a short silence is no gap.
  for (let i = 1; i < MINUTES; i++) depths[i] ??= depths[i - 1] ?? null
  return depths
}
