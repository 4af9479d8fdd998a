import { formatCount } from '../format'

/** A sum of what is known; null when nothing is. whole: every one told its part. */
export interface Sum {
  n: number | null
  whole: boolean
}

export function sumKnown<T>(all: readonly T[], valueOf: (one: T) => number | null | undefined): Sum {
  const told = all.map(valueOf).filter(n => n != null)
  return { n: told.length ? told.reduce((sum, n) => sum + n, 0) : null, whole: told.length === all.length }
}

/** "–" when nothing is known, "≥" when not all of it is. */
export function sumText(sum: Sum, format: (n: number) => string = formatCount): string {
  return sum.n === null ? '–' : `${sum.whole ? '' : '≥ '}${format(sum.n)}`
}
