import { computed, type Ref } from 'vue'
import type { Task } from '~/api/types'
import { taskKey } from '~/lib/tasks/taskRows'

/** The tasks before and after this one in the list that the viewer comes from, as it stood then. */
export function useNeighbours(task: Ref<Task | null>) {
  const list = useTaskListStore()
  const at = computed(() => task.value ? list.rows.findIndex(row => taskKey(row) === taskKey(task.value!)) : -1)
  const previous = computed(() => at.value > 0 ? list.rows[at.value - 1]! : null)
  const next = computed(() => at.value >= 0 ? list.rows[at.value + 1] ?? null : null)
  const isInList = computed(() => at.value >= 0)
  return { previous, next, isInList }
}
