/** Choosing a stretch of columns by keyboard: where the viewer is, and where the stretch began. */
export interface Brush {
  at: number
  anchor: number
}

/** Null for a key that means nothing here. Shift keeps the other end where it is. */
export function moveBrush(brush: Brush | null, key: string, shift: boolean, count: number): Brush | null {
  if (count === 0) return null
  const from = brush?.at ?? count
  const at = { ArrowLeft: from - 1, ArrowRight: from + 1, Home: 0, End: count - 1 }[key]
  if (at === undefined) return null
  const within = Math.min(count - 1, Math.max(0, at))
  return { at: within, anchor: shift && brush ? brush.anchor : within }
}

export function stretchOf(brush: Brush): [first: number, last: number] {
  return [Math.min(brush.at, brush.anchor), Math.max(brush.at, brush.anchor)]
}
