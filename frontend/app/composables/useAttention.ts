import { computed } from 'vue'
import { hasJustGone, isStranded } from '~/lib/attention'

/** How many things each section has to look at, as far as the page knows without asking for more. */
export function useAttention() {
  const system = useSystemStore()
  const queues = useQueuesStore()
  const workers = useWorkersStore()
  return computed(() => ({
    system: system.health.concerns.filter(concern => concern.severity === 'error').length,
    queues: queues.queues.filter(isStranded).length,
    workers: workers.workers.filter(worker => hasJustGone(worker, Date.now() + system.skew)).length,
  }))
}
