import { computed } from 'vue'
import { troublesOf } from '~/lib/attention'

/** What is wrong now, from everything that the page knows. */
export function useTroubles() {
  const system = useSystemStore()
  const metrics = useMetricsStore()
  const queues = useQueuesStore()
  const workers = useWorkersStore()
  const overview = useOverviewStore()
  const now = useNow()
  return computed(() => troublesOf({
    system: system.system,
    metrics: metrics.metrics,
    queues: queues.queues,
    workers: workers.workers,
    failures: overview.failures?.items ?? [],
    now: now.value + system.skew,
  }))
}
