import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { FailureList, MetricsHistory, Timeseries, Totals } from '~/api/types'
import { endedIn, endedPerSecond, groupOf, meanOf, ofHistory, pointsChange, relativeChange, slowRuntimes, successRates, type TwoHours } from '~/lib/charts/figures'

const HOUR = 3_600_000
const NOTHING: TwoHours = { now: [], before: [] }

/** The last hour beside the one before it, and what failed in it. Holds 120 minutes and 12 groups of failures. */
export const useOverviewStore = defineStore('overview', () => {
  const series = shallowRef<Timeseries | null>(null)
  const history = shallowRef<MetricsHistory | null>(null)
  const hour = shallowRef<Totals | null>(null)
  const hourBefore = shallowRef<Totals | null>(null)
  const failures = shallowRef<FailureList | null>(null)
  const failure = shallowRef<Failure | null>(null)
  const at = shallowRef(Date.now())

  const time = (ms: number) => new Date(ms).toISOString()

  async function load(): Promise<void> {
    const now = Date.now() + useSystemStore().skew
    const last = { from: time(now - HOUR), to: time(now) }
    const before = { from: time(now - 2 * HOUR), to: time(now - HOUR) }
    const [minutes, figures, lastHour, earlier, failed] = await Promise.all([
      outcome(api.GET('/api/v1/metrics/timeseries', { params: { query: { from: time(now - 2 * HOUR), to: time(now), step: '1m' } } })),
      outcome(api.GET('/api/v1/metrics/history')),
      outcome(api.GET('/api/v1/metrics/totals', { params: { query: last } })),
      outcome(api.GET('/api/v1/metrics/totals', { params: { query: before } })),
      outcome(api.GET('/api/v1/failures', { params: { query: { ...last, limit: 12 } } })),
    ])
    at.value = now
    for (const answer of [minutes, figures, lastHour, earlier, failed]) {
      if (answer && 'failure' in answer) { failure.value = answer.failure; return }
    }
    failure.value = null
    if (minutes && 'data' in minutes) series.value = minutes.data
    if (figures && 'data' in figures) history.value = figures.data
    if (lastHour && 'data' in lastHour) hour.value = lastHour.data
    if (earlier && 'data' in earlier) hourBefore.value = earlier.data
    if (failed && 'data' in failed) failures.value = failed.data
  }

  const ended = computed(() => series.value ? endedPerSecond(series.value, at.value) : NOTHING)
  const success = computed(() => series.value ? successRates(series.value, at.value) : NOTHING)
  const slow = computed(() => series.value ? slowRuntimes(series.value, at.value) : NOTHING)
  const running = computed(() => history.value ? ofHistory(history.value, 'running', at.value) : NOTHING)
  const waiting = computed(() => history.value ? ofHistory(history.value, 'waiting', at.value) : NOTHING)

  /** Failures of the last hour; the groups may leave some out. */
  const failed = computed(() => groupOf(hour.value)?.counts.failure ?? failures.value?.counted ?? null)
  const changes = computed(() => ({
    ended: relativeChange(endedIn(hour.value), endedIn(hourBefore.value), 'neutral'),
    success: pointsChange(groupOf(hour.value)?.success_rate ?? null, groupOf(hourBefore.value)?.success_rate ?? null),
    slow: relativeChange(groupOf(hour.value)?.runtime.p95 ?? null, groupOf(hourBefore.value)?.runtime.p95 ?? null, 'worse'),
    running: relativeChange(meanOf(running.value.now), meanOf(running.value.before), 'neutral'),
    waiting: relativeChange(meanOf(waiting.value.now), meanOf(waiting.value.before), 'worse'),
  }))
  const before = computed(() => ({
    ended: endedIn(hourBefore.value) ? endedIn(hourBefore.value)! / 3600 : null,
    success: groupOf(hourBefore.value)?.success_rate ?? null,
    slow: groupOf(hourBefore.value)?.runtime.p95 ?? null,
    running: meanOf(running.value.before),
    waiting: meanOf(waiting.value.before),
  }))

  return { failures, failed, failure, load, ended, success, slow, running, waiting, changes, before }
})
