import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Timeseries } from '~/api/types'
import { outcomeColumns } from '~/lib/charts/series'
import { parsePeriod } from '~/lib/tasks/filters'

export const PERIODS = [
  { key: '1h', label: '1 h', step: '1m', unit: 'minute' },
  { key: '6h', label: '6 h', step: '5m', unit: '5 minutes' },
  { key: '24h', label: '24 h', step: '15m', unit: '15 minutes' },
  { key: '7d', label: '7 d', step: '2h', unit: '2 hours' },
] as const
export type PeriodKey = (typeof PERIODS)[number]['key']

/** How tasks ended over time, for the overview's chart. */
export const useThroughputStore = defineStore('throughput', () => {
  const period = ref<PeriodKey>('1h')
  const series = shallowRef<Timeseries | null>(null)
  const failure = shallowRef<Failure | null>(null)
  const columns = computed(() => series.value ? outcomeColumns(series.value) : null)
  const unit = computed(() => PERIODS.find(entry => entry.key === period.value)!.unit)
  let request: AbortController | null = null

  async function load(): Promise<void> {
    request?.abort()
    request = new AbortController()
    const chosen = PERIODS.find(entry => entry.key === period.value)!
    const now = Date.now()
    const from = new Date(now - parsePeriod(chosen.key)! * 1000).toISOString()
    const answer = await outcome(api.GET('/api/v1/metrics/timeseries', {
      params: { query: { from, to: new Date(now).toISOString(), step: chosen.step } },
      signal: request.signal,
    }))
    if (!answer) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    failure.value = null
    series.value = answer.data
  }

  function choose(next: PeriodKey): void {
    period.value = next
    void load()
  }

  return { period, series, columns, unit, failure, load, choose }
})
