import { computed } from 'vue'

/** Names of tasks to choose from: what workers have registered, and what is in the list. */
export function useTaskNames() {
  const workers = useWorkersStore()
  const list = useTaskListStore()
  return computed(() => [...new Set([...workers.registered, ...list.names])].sort())
}
