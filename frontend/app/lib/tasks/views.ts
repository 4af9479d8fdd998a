import { t } from '~/texts'
import { filterFromUrl, filterToUrl, type UrlQuery } from './filters'

/** A filter with a name. */
export interface SavedView {
  name: string
  query: Record<string, string | string[]>
}

export const MOST_VIEWS = 50
const LONGEST_NAME = 80

/** Views that everybody has. */
export function commonViews(): readonly SavedView[] {
  const words = t.tasks.views
  return [
    { name: words.failed, query: { status: 'failure', time: 'ended', last: '1h' } },
    { name: words.unresolved, query: { status: ['failure', 'rejected', 'orphaned'], resolved: 'false' } },
    { name: words.running, query: { status: 'started' } },
    { name: words.queued, query: { status: ['pending', 'received'] } },
    { name: words.retrying, query: { status: 'retry' } },
    { name: words.slowest, query: { time: 'ended', last: '1h', sort: 'slowest' } },
  ]
}

export function parseViews(stored: unknown): SavedView[] {
  const views: SavedView[] = []
  for (const entry of Array.isArray(stored) ? stored as unknown[] : []) {
    const { name, query } = (entry ?? {}) as Partial<SavedView>
    if (typeof name !== 'string' || !name.trim() || query === null || typeof query !== 'object') continue
    views.push({ name: name.trim().slice(0, LONGEST_NAME), query: filterToUrl(filterFromUrl(query as UrlQuery)) })
  }
  return views.slice(0, MOST_VIEWS)
}

/** Adds it, or gives the view of this name another filter. */
export function saveView(views: readonly SavedView[], name: string, query: SavedView['query']): SavedView[] {
  const view = { name: name.trim().slice(0, LONGEST_NAME), query }
  if (!view.name) return [...views]
  const at = views.findIndex(other => other.name === view.name)
  return at < 0 ? [...views, view].slice(-MOST_VIEWS) : views.map((other, i) => i === at ? view : other)
}

export function dropView(views: readonly SavedView[], name: string): SavedView[] {
  return views.filter(view => view.name !== name)
}

/** Whether the URL shows just this view; the order of values does not matter. */
export function isView(view: SavedView, query: UrlQuery): boolean {
  return canonical(view.query) === canonical(query)
}

function canonical(query: UrlQuery): string {
  const filter = filterFromUrl(query)
  return JSON.stringify(Object.entries(filterToUrl(filter)).map(([key, value]) => [key, [value].flat().sort()]).sort())
}
