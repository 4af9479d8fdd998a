import { computed, shallowRef } from 'vue'
import type { Worker } from '~/api/types'
import { workerKey } from '~/stores/workers'

/** The workers that are chosen on this page, as they are now; those that are gone are not among them. */
export function useWorkerSelection() {
  const workers = useWorkersStore()
  const keys = shallowRef<ReadonlySet<string>>(new Set())
  const chosen = computed(() => keys.value.size ? workers.workers.filter(worker => keys.value.has(workerKey(worker))) : [])

  function toggle(worker: Worker): void {
    const next = new Set(keys.value)
    if (!next.delete(workerKey(worker))) next.add(workerKey(worker))
    keys.value = next
  }

  function clear(): void {
    keys.value = new Set()
  }

  return { keys, chosen, toggle, clear }
}
