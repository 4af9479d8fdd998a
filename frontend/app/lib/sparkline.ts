/** Points of an SVG path through `values`, from 0 at the bottom; the newest value touches the right edge. */
export function sparkPath(values: readonly (number | null)[], capacity: number, width: number, height: number, most?: number): string {
  const known = values.filter((value): value is number => value !== null)
  if (known.length < 2) return ''
  const top = most ?? Math.max(...known, 1e-9)
  const step = width / (capacity - 1)
  const start = width - (values.length - 1) * step
  let path = ''
  let pen = false
  values.forEach((value, i) => {
    if (value === null) { pen = false; return }
    const x = (start + i * step).toFixed(1)
    const y = (height - 1 - (Math.min(value, top) / top) * (height - 2)).toFixed(1)
    path += `${pen ? 'L' : 'M'}${x} ${y}`
    pen = true
  })
  return path
}
