import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { System } from '~/api/types'
import { emptyReason } from '~/lib/health'
import { useFreshnessStore } from './freshness'
import { useLiveStore, type Watch } from './live'
import { useMetricsStore } from './metrics'

/** Kanchi itself: services, brokers, findings. Watched from every page, for the header. */
export const useSystemStore = defineStore('system', () => {
  const system = shallowRef<System | null>(null)
  const failure = shallowRef<Failure | null>(null)
  /** Difference between the gateway's clock and the viewer's, in milliseconds. */
  const skew = ref(0)
  /** When the last answer came, in the viewer's clock; null before the first. */
  const heardAt = ref<number | null>(null)
  /** Since when storage has not responded, by the gateway; null while it does. */
  const storageSince = ref<number | null>(null)
  let watch: Watch | null = null

  const sources = computed(() => Object.keys(system.value?.ingestion ?? {}).sort())
  const taskCount = computed(() => system.value
    ? Math.max(system.value.storage?.tasks ?? 0, Object.values(system.value.tasks).reduce((sum, n) => sum + n, 0))
    : null)
  const emptyHint = computed(() => emptyReason(system.value, useMetricsStore().metrics?.workers.online ?? 0))

  async function load(): Promise<void> {
    const answer = await outcome(api.GET('/api/v1/system'))
    if (!answer) return
    if ('failure' in answer) failure.value = answer.failure
    else accept(answer.data)
  }

  function accept(next: System): void {
    system.value = next
    failure.value = null
    skew.value = Date.parse(next.time) - Date.now()
    // While storage does not respond, the gateway repeats the newest document that it has.
    const staleSince = (next as { stale_since?: string | null }).stale_since
    storageSince.value = staleSince ? Date.parse(staleSince) - skew.value : null
    if (!staleSince) heardAt.value = Date.now()
    useFreshnessStore().look()
  }

  function start(): void {
    if (watch) return
    watch = useLiveStore().watch({
      topics: ['system'],
      frame: (frame) => { if (frame.type === 'system:update') accept(frame.system) },
      reload: load,
    })
    void load()
  }

  return { system, failure, skew, heardAt, storageSince, sources, taskCount, emptyHint, load, start }
})
