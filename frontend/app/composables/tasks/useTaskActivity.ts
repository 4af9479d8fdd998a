import { computed, shallowRef, watch } from 'vue'
import { api, outcome } from '~/api/client'
import type { TaskStatus, Timeseries } from '~/api/types'
import { parsePeriod, type TaskFilter } from '~/lib/tasks/filters'
import { OUTCOMES, outcomeColumns } from '~/lib/charts/series'

const BARS = 90
const POLL_MS = 10_000
const MINUTE = 60

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
    const to = f.to ? Date.parse(f.to) : now
    const from = f.from ? Date.parse(f.from) : to - (parsePeriod(f.last) ?? 3600) * 1000
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

  const columns = computed(() => series.value ? outcomeColumns(series.value) : null)
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
  return { bars, most, from, to, stepSeconds }
}
