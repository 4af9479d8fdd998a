import type { RouteLocationRaw } from 'vue-router'

/** The same as text, below the router's base, for long lists: resolving an address takes longer than a row. */
export function taskPath(task: { id: string, source: string }, withSource: boolean): string {
  return `/tasks/${encodeURIComponent(task.id)}${withSource ? `?source=${encodeURIComponent(task.source)}` : ''}`
}

/** Where one task is shown. The source is named only when there are several. */
export function useTaskLink() {
  const system = useSystemStore()
  return (task: { id: string, source: string }): RouteLocationRaw => ({
    name: 'tasks-id',
    params: { id: task.id },
    query: system.sources.length > 1 ? { source: task.source } : {},
  })
}
