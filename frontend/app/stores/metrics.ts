import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Metrics } from '~/api/types'
import { Ring } from '~/lib/ring'
import { useLiveStore, type Watch } from './live'

/** Figures of the last two minutes that the counters draw as sparklines. */
const SAMPLES = 120

export interface Sample {
  events: number
  tasks: number
  running: number
  waiting: number
  success: number | null
  failures: number
  depth: number
}

/** The fleet's figures, once a second. Watched from every page: the header and several pages need them. */
export const useMetricsStore = defineStore('metrics', () => {
  const metrics = shallowRef<Metrics | null>(null)
  const samples = shallowRef<Sample[]>([])
  const failure = shallowRef<Failure | null>(null)
  const ring = new Ring<Sample>(SAMPLES)
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
    ring.push({
      events: next.events_per_second,
      tasks: next.tasks_per_second,
      running: next.running,
      waiting: next.waiting,
      success: next.success_rate,
      failures: next.counts.failure,
      depth: next.queues.depth,
    })
    samples.value = ring.toArray()
  }

  function start(): void {
    if (watch) return
    watch = useLiveStore().watch({
      topics: ['metrics'],
      frame: (frame) => { if (frame.type === 'metrics:update') accept(frame.metrics) },
      // What lies between is not known: the lines begin anew.
      reload: () => { ring.clear(); void load() },
    })
    void load()
  }

  return { metrics, samples, failure, load, accept, start }
})
