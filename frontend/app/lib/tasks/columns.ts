/** Columns of the task list: which there are, and what the viewer made of them. Pure. */

export type ColumnKey = 'status' | 'task' | 'args' | 'result' | 'queue' | 'worker' | 'source' | 'waited' | 'runtime' | 'retries' | 'seen' | 'ended' | 'id'

export interface ColumnDefinition {
  key: ColumnKey
  /** In pixels; the task's own column takes what is left. */
  width: number
  least: number
  end?: boolean
  /** Not shown before somebody asks for it. */
  spare?: boolean
}

export interface ColumnChoice {
  key: ColumnKey
  shown: boolean
  width: number
}

export const WIDEST = 640

export const COLUMNS: readonly ColumnDefinition[] = [
  { key: 'status', width: 112, least: 40 },
  { key: 'task', width: 320, least: 160 },
  { key: 'args', width: 240, least: 80, spare: true },
  { key: 'result', width: 200, least: 80, spare: true },
  { key: 'queue', width: 112, least: 60 },
  { key: 'worker', width: 168, least: 60 },
  { key: 'source', width: 96, least: 60, spare: true },
  { key: 'waited', width: 96, least: 60, end: true },
  { key: 'runtime', width: 88, least: 60, end: true },
  { key: 'retries', width: 72, least: 48, end: true, spare: true },
  { key: 'seen', width: 96, least: 72, end: true },
  { key: 'ended', width: 96, least: 72, end: true, spare: true },
  { key: 'id', width: 280, least: 80, spare: true },
]

const BY_KEY = new Map(COLUMNS.map(column => [column.key, column]))

export function definitionOf(key: ColumnKey): ColumnDefinition {
  return BY_KEY.get(key)!
}

/** What was stored, without what is unknown or there twice, and with what is new at its end. */
export function parseColumns(stored: unknown): ColumnChoice[] {
  const kept = new Map<ColumnKey, ColumnChoice>()
  for (const entry of Array.isArray(stored) ? stored as unknown[] : []) {
    const choice = (entry ?? {}) as Partial<ColumnChoice>
    const definition = BY_KEY.get(choice.key as ColumnKey)
    if (definition && !kept.has(definition.key)) {
      kept.set(definition.key, { key: definition.key, shown: choice.shown !== false || definition.key === 'task', width: within(definition, Number(choice.width)) })
    }
  }
  for (const { key, width, spare } of COLUMNS) if (!kept.has(key)) kept.set(key, { key, shown: !spare, width })
  return [...kept.values()]
}

/** The columns that are shown, and those that the order of the list needs besides. */
export function withColumns(shown: readonly ColumnChoice[], needed: readonly ColumnKey[]): ColumnChoice[] {
  const missing = needed.filter(key => !shown.some(column => column.key === key))
  return [...shown, ...missing.map(key => ({ key, shown: true, width: definitionOf(key).width }))]
}

export function moveColumn(columns: readonly ColumnChoice[], key: ColumnKey, by: number): ColumnChoice[] {
  const next = [...columns]
  const from = next.findIndex(column => column.key === key)
  const to = Math.min(next.length - 1, Math.max(0, from + by))
  if (from >= 0) next.splice(to, 0, ...next.splice(from, 1))
  return next
}

export function resizeColumn(columns: readonly ColumnChoice[], key: ColumnKey, width: number): ColumnChoice[] {
  return columns.map(column => column.key === key ? { ...column, width: within(definitionOf(key), width) } : column)
}

/** The task's own column cannot be hidden: it is the link. */
export function showColumn(columns: readonly ColumnChoice[], key: ColumnKey, shown: boolean): ColumnChoice[] {
  return columns.map(column => column.key === key ? { ...column, shown: shown || key === 'task' } : column)
}

/** For CSS: the gutter for the selection, then each column that is shown. */
export function gridTemplate(shown: readonly ColumnChoice[]): string {
  return ['2rem', ...shown.map(({ key, width }) => key === 'task' ? `minmax(${width}px, 1fr)` : `${width}px`)].join(' ')
}

function within(definition: ColumnDefinition, width: number): number {
  return Number.isFinite(width) ? Math.round(Math.min(WIDEST, Math.max(definition.least, width))) : definition.width
}
