import { workerKey } from '~/stores/workers'
import { computed } from 'vue'
import type { Task } from '~/api/types'
import { hasEnded } from '~/lib/status'
import { standingOf } from '~/lib/tasks/standing'
import { runtimeOf } from '~/lib/tasks/taskText'

/** How a task stands at `now`, and how long it has run, as its worker stands. */
export function useStanding(task: () => Task, now: () => number) {
  const workers = useWorkersStore()
  const preferences = usePreferencesStore()
  const worker = computed(() => {
    const { worker_id: id, source, status, status_from: from } = task()
    // Of a task that ended by an event, nothing depends on its worker: thousands of rows need not look.
    return id === null || (hasEnded(status) && from === 'events') ? undefined : workers.byKey.get(workerKey({ source, id }))
  })
  const standing = computed(() => standingOf(task(), worker.value, now(), preferences.utc))
  const runtime = computed(() => runtimeOf(task(), now(), worker.value, standing.value.frozenAt))
  return { standing, runtime }
}
