import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import type { Task } from '~/api/types'
import { taskKey } from '~/lib/tasks/taskRows'

/** More tasks than this are not chosen one by one. */
export const MOST_SELECTED = 1000

/** Tasks that the viewer has chosen in the list, whatever filter is set meanwhile. */
export const useSelectionStore = defineStore('selection', () => {
  const byKey = shallowRef(new Map<string, Task>())
  const tasks = computed(() => [...byKey.value.values()])
  const count = computed(() => byKey.value.size)
  /** Where a range begins. */
  let anchor: string | null = null

  function has(task: Task): boolean {
    return byKey.value.has(taskKey(task))
  }

  function toggle(task: Task): void {
    const next = new Map(byKey.value)
    const key = taskKey(task)
    if (!next.delete(key) && next.size < MOST_SELECTED) next.set(key, task)
    anchor = key
    byKey.value = next
  }

  /** Everything from the one that was chosen last to this one, as the rows stand now. */
  function extend(rows: readonly Task[], to: Task): void {
    const from = rows.findIndex(row => taskKey(row) === anchor)
    const end = rows.findIndex(row => taskKey(row) === taskKey(to))
    if (from < 0 || end < 0) { toggle(to); return }
    const next = new Map(byKey.value)
    for (const row of rows.slice(Math.min(from, end), Math.max(from, end) + 1)) {
      if (next.size < MOST_SELECTED) next.set(taskKey(row), row)
    }
    byKey.value = next
  }

  /** These too, as far as there is room. */
  function add(more: readonly Task[]): void {
    const next = new Map(byKey.value)
    for (const task of more) if (next.size < MOST_SELECTED) next.set(taskKey(task), task)
    byKey.value = next
  }

  /** These no longer: something was done with them. */
  function remove(some: readonly Task[]): void {
    const next = new Map(byKey.value)
    for (const task of some) next.delete(taskKey(task))
    byKey.value = next
  }

  function clear(): void {
    byKey.value = new Map()
    anchor = null
  }

  return { tasks, count, has, toggle, extend, add, remove, clear }
})
