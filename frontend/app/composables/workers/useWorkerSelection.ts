import { computed, shallowRef } from 'vue'
import type { Worker } from '~/api/types'
import { workerKey } from '~/stores/workers'

/** The workers that are chosen on this page, as they are now; those that are gone are not among them. */
export function useWorkerSelection() {
  const workers = useWorkersStore()
  const keys = shallowRef<ReadonlySet<string>>(new Set())
  const chosen = computed(() => keys.value.size ? workers.workers.filter(worker => keys.value.has(workerKey(worker))) : [])
  /** Where a range begins. */
  let anchor: string | null = null

  function toggle(worker: Worker): void {
    const next = new Set(keys.value)
    anchor = workerKey(worker)
    if (!next.delete(anchor)) next.add(anchor)
    keys.value = next
  }

  /** Everything from the one that was chosen last to this one, as the rows stand now. */
  function extend(rows: readonly Worker[], to: Worker): void {
    const from = rows.findIndex(row => workerKey(row) === anchor)
    const end = rows.findIndex(row => workerKey(row) === workerKey(to))
    if (from < 0 || end < 0) { toggle(to); return }
    keys.value = new Set([...keys.value, ...rows.slice(Math.min(from, end), Math.max(from, end) + 1).map(workerKey)])
  }

  /** All of these, or none of them when all are chosen. */
  function toggleAll(rows: readonly Worker[]): void {
    const next = new Set(keys.value)
    const all = rows.every(row => next.has(workerKey(row)))
    for (const row of rows) if (all) next.delete(workerKey(row)); else next.add(workerKey(row))
    keys.value = next
  }

  function clear(): void {
    keys.value = new Set()
    anchor = null
  }

  return { keys, chosen, toggle, extend, toggleAll, clear }
}
