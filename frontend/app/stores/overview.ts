import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { FailureList, MetricsHistory, Timeseries, Totals } from '~/api/types'
import { endedSteps, failureRates, meanOf, ofHistory, pointsChange, relativeChange, slowRuntimes, type Past } from '~/lib/charts/figures'
import { isUnknown, unknownSpans } from '~/lib/charts/known'
import { endedOf, failureRate, outcomeColumns } from '~/lib/charts/series'
import type { PeriodRange } from '~/lib/periods'

const NOTHING: Past = { now: [], before: [] }
/** "All" in figures: rollups may have at most 2,000 steps of a day. */
const LONGEST_MS = 1800 * 86_400_000
const FAILURE_GROUPS = 12

/** A period beside the one before it, and what failed in it. Holds two series of at most 1,500 steps, and 12 groups of failures. */
export const useOverviewStore = defineStore('overview', () => {
  const series = shallowRef<Timeseries | null>(null)
  const seriesBefore = shallowRef<Timeseries | null>(null)
  const history = shallowRef<MetricsHistory | null>(null)
  const totals = shallowRef<Totals | null>(null)
  const totalsBefore = shallowRef<Totals | null>(null)
  const failures = shallowRef<FailureList | null>(null)
  const failure = shallowRef<Failure | null>(null)
  /** The gateway's time when this was asked, in milliseconds. */
  const at = ref(Date.now())
  /** When Kanchi first saw a task; null when it has seen none. */
  const firstAt = ref<number | null>(null)
  let key = ''
  let asked = 0

  const time = (ms: number) => new Date(ms).toISOString()

  /** Figures of another period are not shown while the new ones load. */
  function begin(range: PeriodRange): void {
    const next = `${range.from === null || range.to === null ? 'open' : range.to - range.from}`
    if (next !== key) series.value = seriesBefore.value = totals.value = totalsBefore.value = failures.value = null
    key = next
  }

  async function load(range: PeriodRange): Promise<void> {
    begin(range)
    const mine = ++asked
    const now = Date.now() + useSystemStore().skew
    const to = range.to ?? Math.ceil(now / 60_000) * 60_000
    if (firstAt.value === null) await loadFirst()
    const from = range.from ?? Math.max(to - LONGEST_MS, Math.floor((firstAt.value ?? to - 3_600_000) / 60_000) * 60_000)
    const period = { from: time(from), to: time(to) }
    const before = range.from === null ? null : { from: time(2 * from - to), to: time(from) }
    const step = stepOf((to - from) / 60_000)
    const [steps, stepsBefore, figures, sums, sumsBefore, failed] = await Promise.all([
      outcome(api.GET('/api/v1/metrics/timeseries', { params: { query: { ...period, step } } })),
      before && outcome(api.GET('/api/v1/metrics/timeseries', { params: { query: { ...before, step } } })),
      outcome(api.GET('/api/v1/metrics/history')),
      outcome(api.GET('/api/v1/metrics/totals', { params: { query: period } })),
      before && outcome(api.GET('/api/v1/metrics/totals', { params: { query: before } })),
      outcome(api.GET('/api/v1/failures', { params: { query: { ...period, limit: FAILURE_GROUPS } } })),
    ])
    if (mine !== asked) return
    for (const answer of [steps, stepsBefore, figures, sums, sumsBefore, failed]) {
      if (answer && 'failure' in answer) { failure.value = answer.failure; return }
    }
    failure.value = null
    at.value = now
    if (steps && 'data' in steps) series.value = steps.data
    seriesBefore.value = stepsBefore && 'data' in stepsBefore ? stepsBefore.data : null
    if (figures && 'data' in figures) history.value = figures.data
    if (sums && 'data' in sums) totals.value = sums.data
    totalsBefore.value = sumsBefore && 'data' in sumsBefore ? sumsBefore.data : null
    if (failed && 'data' in failed) failures.value = failed.data
  }

  async function loadFirst(): Promise<void> {
    const answer = await outcome(api.GET('/api/v1/tasks', { params: { query: { sort: 'received_at', limit: 1 } } }))
    const first = answer && 'data' in answer ? answer.data.items[0] : undefined
    if (first) firstAt.value = Math.min(...[first.received_at, first.sent_at].map(text => Date.parse(text ?? '')).filter(Number.isFinite))
  }

  const unknown = computed(() => unknownSpans(useSystemStore().system, useFreshnessStore().stale, firstAt.value, at.value, useSystemStore().skew))
  const columns = computed(() => series.value ? outcomeColumns(series.value, unknown.value, at.value) : null)
  const past = (steps: typeof endedSteps): Past => ({
    now: series.value ? steps(series.value, unknown.value, at.value) : [],
    before: seriesBefore.value ? steps(seriesBefore.value, unknown.value, at.value) : [],
  })
  const ended = computed(() => past(endedSteps))
  const failing = computed(() => past(failureRates))
  const slow = computed(() => past(slowRuntimes))
  const running = computed(() => history.value ? ofHistory(history.value, 'running', at.value) : NOTHING)
  const waiting = computed(() => history.value ? ofHistory(history.value, 'waiting', at.value) : NOTHING)

  const now = computed(() => figuresOf(totals.value))
  /** Unknown, and not 0, when Kanchi was not there. */
  const was = computed(() => {
    const sums = totalsBefore.value
    return figuresOf(sums && !isUnknown(unknown.value, Date.parse(sums.from) / 1000, Date.parse(sums.to) / 1000) ? sums : null)
  })
  const changes = computed(() => ({
    ended: relativeChange(now.value.ended, was.value.ended, 'neutral'),
    failing: pointsChange(now.value.rate, was.value.rate),
    slow: relativeChange(now.value.p95, was.value.p95, 'worse'),
    running: relativeChange(meanOf(running.value.now), meanOf(running.value.before), 'neutral'),
    waiting: relativeChange(meanOf(waiting.value.now), meanOf(waiting.value.before), 'worse'),
  }))
  const before = computed(() => ({ ...was.value, running: meanOf(running.value.before), waiting: meanOf(waiting.value.before) }))

  return { series, columns, unknown, totals, failures, failure, at, load, ended, failing, slow, running, waiting, now, changes, before }
})

/** The figures of a period; null where nothing is known. */
function figuresOf(totals: Totals | null): { ended: number | null, failed: number | null, rate: number | null, p95: number | null } {
  const group = totals?.groups[0]
  if (!totals) return { ended: null, failed: null, rate: null, p95: null }
  if (!group) return { ended: 0, failed: 0, rate: null, p95: null }
  // What the list with time=ended counts.
  return { ended: endedOf(group.tasks), failed: group.tasks.failure, rate: failureRate(group.tasks), p95: group.runtime.p95 }
}

const STEPS_MIN = [1, 2, 5, 10, 15, 30, 60, 120, 360, 720, 1440, 2880, 10_080, 43_200]
const MOST_STEPS = 75

/** The step of the chart: the shortest that does not make too many columns. */
function stepOf(minutes: number): string {
  return `${STEPS_MIN.find(step => minutes / step <= MOST_STEPS) ?? STEPS_MIN.at(-1)!}m`
}
