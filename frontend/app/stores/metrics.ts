import { defineStore } from 'pinia'
import { ref, shallowRef, watch } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Metrics } from '~/api/types'
import { useFreshnessStore } from './freshness'
import { useLiveStore, type Watch } from './live'

/**
 * The fleet's figures, once a second. Watched from every page: the header and several pages need them. While nothing
 * can be heard from storage or any broker, aggregation goes on counting to 0: the figures from before are kept instead.
 */
export const useMetricsStore = defineStore('metrics', () => {
  const metrics = shallowRef<Metrics | null>(null)
  const latest = shallowRef<Metrics | null>(null)
  const failure = shallowRef<Failure | null>(null)
  /** When the last ones came, in the viewer's clock; null before the first. */
  const heardAt = ref<number | null>(null)
  let watching: Watch | null = null

  async function load(): Promise<void> {
    const answer = await outcome(api.GET('/api/v1/metrics'))
    if (!answer) return
    if ('failure' in answer) failure.value = answer.failure
    else accept(answer.data)
  }

  function accept(next: Metrics): void {
    latest.value = next
    heardAt.value = Date.now()
    failure.value = null
  }

  function start(): void {
    if (watching) return
    watching = useLiveStore().watch({
      topics: ['metrics'],
      frame: (frame) => { if (frame.type === 'metrics:update') accept(frame.metrics) },
      reload: () => void load(),
    })
    const freshness = useFreshnessStore()
    watch([latest, () => freshness.ready && freshness.asOf === null], ([next, good]) => {
      if (next && good) metrics.value = next
    }, { flush: 'sync' })
    void load()
  }

  return { metrics, failure, heardAt, load, accept, start }
})
