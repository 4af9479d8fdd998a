import { computed, shallowRef, watch } from 'vue'
import { api, outcome } from '~/api/client'
import type { TaskStatus, Timeseries } from '~/api/types'
import type { TaskFilter } from '~/lib/tasks/filters'
import { resolvePeriod } from '~/lib/periods'
import { hasEnded } from '~/lib/status'
import { OUTCOMES, outcomeColumns } from '~/lib/charts/series'

const BARS = 90
const POLL_MS = 10_000
const MINUTE = 60

/** The same with the number of tasks in the place of that of events; retries end no task. */
function tasksOf(series: Timeseries, withRetries: boolean): Timeseries {
  return { ...series, series: series.series.map(group => ({ ...group, points: group.points.map(point => ({ ...point, counts: { ...point.counts, retry: withRetries ? point.counts.retry : 0, ...point.tasks } })) })) }
}

export interface Bar {
  total: number
  parts: { status: TaskStatus, below: number, above: number }[]
}

/** How tasks of a filter ended over its period, or over the last hour. The text of a search is not in the rollups. */
export function useTaskActivity(filter: () => TaskFilter) {
  const system = useSystemStore()
  const series = shallowRef<Timeseries | null>(null)
  let request: AbortController | null = null

  function periodOf(f: TaskFilter): { from: number, to: number } {
    const now = Date.now() + system.skew
    const period = resolvePeriod(f, now)
    const to = period.to ?? now
    const from = period.from ?? to - 3600 * 1000
    return { from: Math.min(from, to - MINUTE * 1000), to }
  }

  async function load(): Promise<void> {
    const f = filter()
    const { from, to } = periodOf(f)
    const step = Math.max(1, Math.ceil((to - from) / 1000 / MINUTE / BARS))
    request?.abort()
    const mine = request = new AbortController()
    const query = {
      from: new Date(from).toISOString(), to: new Date(to).toISOString(), step: `${step}m`,
      name: f.name, queue: f.queue, worker: f.worker, source: f.source,
    }
    const answer = await outcome(api.GET('/api/v1/metrics/timeseries', { params: { query }, signal: mine.signal }))
    if (request === mine && answer && 'data' in answer) series.value = answer.data
  }

  // Tasks, not events: only then does the strip count what the list has.
  const columns = computed(() => series.value ? outcomeColumns(tasksOf(series.value, filter().status.includes('retry'))) : null)
  const bars = computed<Bar[]>(() => {
    const c = columns.value
    if (!c) return []
    const wanted = filter().status
    const shown = OUTCOMES.filter(status => wanted.length === 0 || wanted.includes(status))
    return c.at.map((_, i) => {
      let below = 0
      const parts = shown.flatMap((status) => {
        const n = c.counts[status]![i] ?? 0
        const part = { status, below, above: below + n }
        below += n
        return n > 0 ? [part] : []
      })
      return { total: below, parts }
    })
  })
  const most = computed(() => Math.max(1, ...bars.value.map(bar => bar.total)))
  const from = computed(() => series.value ? Date.parse(series.value.from) : 0)
  const to = computed(() => series.value ? Date.parse(series.value.to) : 0)
  const stepSeconds = computed(() => columns.value?.step ?? MINUTE)

  watch(filter, () => void load())
  usePoll(load, POLL_MS)
  /** How many tasks the list has, when the figures count just what is in it; null otherwise. */
  const exact = computed(() => {
    const f = filter()
    const isCounted = f.time === 'ended' && !f.q && !f.resolved && Boolean(f.last || (f.from && f.to)) && f.status.every(status => hasEnded(status))
    return isCounted && series.value ? bars.value.reduce((sum, bar) => sum + bar.total, 0) : null
  })
  return { bars, most, from, to, stepSeconds, exact }
}
