import type { RouteLocationRaw } from 'vue-router'

/** Where one task is shown. The source is named only when there are several. */
export function useTaskLink() {
  const system = useSystemStore()
  return (task: { id: string, source: string }): RouteLocationRaw => ({
    name: 'tasks-id',
    params: { id: task.id },
    query: system.sources.length > 1 ? { source: task.source } : {},
  })
}
