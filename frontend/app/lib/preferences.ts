import { LANGUAGES, type Language } from '~/texts'
import { parseColumns, type ColumnChoice } from './tasks/columns'
import { parseViews, type SavedView } from './tasks/views'

/** What the viewer has chosen for this browser. Kept in localStorage; nothing of it leaves the browser. */
export interface Preferences {
  density: 'comfortable' | 'dense'
  zone: 'local' | 'utc'
  language: 'browser' | Language
  workersAs: 'table' | 'cards'
  /** Columns of the task list, in their order. */
  columns: ColumnChoice[]
  views: SavedView[]
}

/** Read by public/theme.js too, for the density before the first paint. */
export const PREFERENCES_KEY = 'kanchi.preferences'

export function defaultPreferences(): Preferences {
  return { density: 'comfortable', zone: 'local', language: 'browser', workersAs: 'table', columns: parseColumns(null), views: [] }
}

/** From what an older or newer version, or somebody's hand, has stored: whatever makes no sense is the default. */
export function parsePreferences(text: string | null): Preferences {
  const fallback = defaultPreferences()
  let stored: Record<string, unknown>
  try {
    const value: unknown = JSON.parse(text ?? '{}')
    if (value === null || typeof value !== 'object' || Array.isArray(value)) return fallback
    stored = value as Record<string, unknown>
  } catch {
    return fallback
  }
  return {
    density: oneOf(stored.density, ['comfortable', 'dense'], fallback.density),
    zone: oneOf(stored.zone, ['local', 'utc'], fallback.zone),
    language: oneOf(stored.language, ['browser', ...LANGUAGES], fallback.language),
    workersAs: oneOf(stored.workersAs, ['table', 'cards'], fallback.workersAs),
    columns: parseColumns(stored.columns),
    views: parseViews(stored.views),
  }
}

function oneOf<T extends string>(value: unknown, allowed: readonly T[], fallback: T): T {
  return allowed.includes(value as T) ? value as T : fallback
}
