import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Metrics } from '~/api/types'
import { useLiveStore, type Watch } from './live'

/** The fleet's figures, once a second. Watched from every page: the header and several pages need them. */
export const useMetricsStore = defineStore('metrics', () => {
  const metrics = shallowRef<Metrics | null>(null)
  const failure = shallowRef<Failure | null>(null)
  let watch: Watch | null = null

  async function load(): Promise<void> {
    const answer = await outcome(api.GET('/api/v1/metrics'))
    if (!answer) return
    if ('failure' in answer) failure.value = answer.failure
    else accept(answer.data)
  }

  function accept(next: Metrics): void {
    metrics.value = next
    failure.value = null
  }

  function start(): void {
    if (watch) return
    watch = useLiveStore().watch({
      topics: ['metrics'],
      frame: (frame) => { if (frame.type === 'metrics:update') accept(frame.metrics) },
      reload: () => void load(),
    })
    void load()
  }

  return { metrics, failure, load, accept, start }
})
