import { defineStore } from 'pinia'
import { shallowRef, watch } from 'vue'
import { verdictOf, type Situation, type Verdict } from '~/lib/verdict'
import { language, t } from '~/texts'
import { useDismissalsStore } from './dismissals'
import { useFreshnessStore } from './freshness'
import { useHeldStore } from './held'
import { useMetricsStore } from './metrics'
import { useOverviewStore } from './overview'
import { useQueuesStore } from './queues'
import { useSystemStore } from './system'
import { useWorkersStore } from './workers'

const LOOK_MS = 1000

/** What is wrong with Kanchi and the fleet, for every page. Looked at once a second, not with every heartbeat. */
export const useVerdictStore = defineStore('verdict', () => {
  const verdict = shallowRef<Verdict>({ level: 'unknown', headline: t.health.checking, lines: [], dismissed: [] })
  let timer: ReturnType<typeof setInterval> | undefined

  function situation(): Situation {
    const system = useSystemStore()
    const metrics = useMetricsStore()
    const workers = useWorkersStore()
    const queues = useQueuesStore()
    return {
      loaded: system.system !== null && workers.loaded && queues.loaded && metrics.metrics !== null,
      failure: system.failure?.text ?? null,
      stale: useFreshnessStore().stale,
      system: system.system,
      metrics: metrics.metrics,
      workers: workers.workers,
      queues: queues.queues,
      held: useHeldStore().byWorker,
      failures: useOverviewStore().failures?.items ?? [],
      dismissals: useDismissalsStore().items,
      now: Date.now() + system.skew,
    }
  }

  function look(): void {
    const next = verdictOf(situation())
    if (JSON.stringify(next) !== JSON.stringify(verdict.value)) verdict.value = next
  }

  function start(): void {
    if (timer) return
    useDismissalsStore().start()
    const system = useSystemStore()
    watch([() => system.system, () => useFreshnessStore().stale, () => useDismissalsStore().items, () => useHeldStore().byWorker, () => useWorkersStore().loaded, () => useQueuesStore().loaded, language], look)
    timer = setInterval(() => {
      if (document.visibilityState === 'visible') void useHeldStore().look()
      look()
    }, LOOK_MS)
    look()
  }

  return { verdict, look, start }
})
