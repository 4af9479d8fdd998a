/** Columns of a table of the fleet: which of them fit, and how wide they are. Pure. */
export interface Column {
  key: string
  label: string
  /** The least width, in pixels, with the gap to the next column. */
  width: number
  /** How much it takes of the room that is left. */
  grow?: number
  /** Figures stand at the end. */
  end?: boolean
  /** 1 is never left out; the highest numbers are left out first. */
  rank: number
  /** More about it, on hover. */
  hint?: string
  /** Can the list be sorted by it? */
  sorts?: boolean
}

export interface Fit {
  shown: readonly Column[]
  left: readonly Column[]
  /** For grid-template-columns. */
  template: string
}

/** Room at both sides of a row. */
const EDGES = 32

/** The columns that fit into so many pixels, in their order; the least important are left out, never cut. */
export function fitColumns(columns: readonly Column[], width: number, before = 0): Fit {
  let room = width - EDGES - before
  for (const column of columns) if (column.rank === 1) room -= column.width
  const kept = new Set(columns.filter(column => column.rank === 1))
  for (const column of columns.filter(column => column.rank > 1).sort((a, b) => a.rank - b.rank)) {
    if (column.width > room) break
    room -= column.width
    kept.add(column)
  }
  const shown = columns.filter(column => kept.has(column))
  const tracks = shown.map(({ width, grow }) => grow ? `minmax(${width}px, ${grow}fr)` : `${width}px`)
  return { shown, left: columns.filter(column => !kept.has(column)), template: [...(before ? [`${before}px`] : []), ...tracks].join(' ') }
}
