/** Depths at the end of steps; one holds until the next that was measured, for queues are measured seldom. */
export function held(depths: readonly (number | null)[]): (number | null)[] {
  let last: number | null = null
  return depths.map(depth => last = depth ?? last)
}
