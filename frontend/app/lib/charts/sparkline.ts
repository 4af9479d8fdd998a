type Values = readonly (number | null)[]

/** The greatest of the values; never 0, so that it can divide. */
export function topOf(values: Values): number {
  return values.reduce<number>((most, value) => Math.max(most, value ?? 0), 1e-9)
}

/** Points of an SVG path through `values`, from 0 at the bottom; the newest value touches the right edge. */
export function sparkPath(values: Values, capacity: number, width: number, height: number, most?: number): string {
  return runsOf(values, capacity, width, height, most).map(run => `M${run.map(point => point.join(' ')).join('L')}`).join('')
}

/** The same, closed at the bottom. */
export function areaPath(values: Values, capacity: number, width: number, height: number, most?: number): string {
  return runsOf(values, capacity, width, height, most)
    .map(run => `M${run[0]![0]} ${height - 1}L${run.map(point => point.join(' ')).join('L')}L${run.at(-1)![0]} ${height - 1}Z`)
    .join('')
}

/** Stretches without a gap. */
function runsOf(values: Values, capacity: number, width: number, height: number, most?: number): string[][][] {
  if (values.filter(value => value !== null).length < 2) return []
  const top = most ?? topOf(values)
  const step = width / (capacity - 1)
  const start = width - (values.length - 1) * step
  const runs: string[][][] = []
  let pen = false
  values.forEach((value, i) => {
    if (value === null) { pen = false; return }
    if (!pen) runs.push([])
    pen = true
    const y = height - 1 - (Math.min(value, top) / top) * (height - 2)
    runs.at(-1)!.push([(start + i * step).toFixed(1), y.toFixed(1)])
  })
  return runs
}
