import { computed, onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Queue, Timeseries, TotalsGroup } from '~/api/types'
import { parsePeriod } from '~/lib/tasks/filters'
import { flowOf } from '~/lib/charts/flow'

const MOST_POINTS = 2000
const POLL_MS = 15_000

export const QUEUE_PERIODS = [
  { key: '1h', label: '1 h', step: '1m' }, { key: '6h', label: '6 h', step: '5m' }, { key: '24h', label: '24 h', step: '15m' }, { key: '7d', label: '7 d', step: '2h' },
] as const
export type QueuePeriod = (typeof QUEUE_PERIODS)[number]['key']

/** One queue with its depth and its traffic over a period; measurements are added as they come. */
export function useQueueDetail(name: Ref<string>, source: Ref<string | undefined>) {
  const system = useSystemStore()
  const queue = shallowRef<Queue | null>(null)
  const series = shallowRef<Timeseries | null>(null)
  const totals = shallowRef<TotalsGroup | null>(null)
  const failure = shallowRef<Failure | null>(null)
  const route = useRoute()
  const router = useRouter()
  const period = computed<QueuePeriod>({
    get: () => QUEUE_PERIODS.find(({ key }) => key === route.query.last)?.key ?? '1h',
    set: next => void router.replace({ path: route.path, query: { ...route.query, last: next === '1h' ? undefined : next } }),
  })
  const flow = computed(() => series.value ? flowOf(series.value) : null)
  /** Without task-sent no event names its queue. */
  const isFlowKnown = computed(() => flow.value !== null && [...flow.value.into, ...flow.value.out].some(n => n > 0))

  const live = useLiveStore().watch({
    topics: ['queues'],
    frame: (frame) => {
      if (frame.type !== 'queue:updated' || !queue.value) return
      const next = frame.items.find(item => item.name === name.value && item.source === queue.value?.source)
      if (next) queue.value = withMeasurement(queue.value, next)
    },
    reload: () => void load(),
  })

  async function load(): Promise<void> {
    const wanted = name.value
    const now = Date.now() + system.skew
    const chosen = QUEUE_PERIODS.find(({ key }) => key === period.value)!
    const span = { from: new Date(now - parsePeriod(chosen.key)! * 1000).toISOString(), to: new Date(now).toISOString() }
    const of = source.value ? { source: source.value } : {}
    const sums = { ...span, queue: [wanted], ...(source.value ? { source: [source.value] } : {}) }
    const [one, points, all] = await Promise.all([
      outcome(api.GET('/api/v1/queues/{name}', { params: { path: { name: wanted }, query: { ...of, ...span } } })),
      outcome(api.GET('/api/v1/metrics/timeseries', { params: { query: { ...sums, step: chosen.step } } })),
      outcome(api.GET('/api/v1/metrics/totals', { params: { query: sums } })),
    ])
    if (!one || wanted !== name.value || chosen.key !== period.value) return
    if ('failure' in one) { failure.value = one.failure; return }
    failure.value = null
    queue.value = one.data
    if (points && 'data' in points) series.value = points.data
    if (all && 'data' in all) totals.value = all.data.groups[0] ?? null
  }

  watch([name, source], () => { queue.value = series.value = totals.value = failure.value = null; void load() })
  watch(period, () => void load())
  usePoll(load, POLL_MS)
  onScopeDispose(live.stop)

  return { queue, flow, isFlowKnown, totals, failure, period, load }
}

function withMeasurement(before: Queue, next: Queue): Queue {
  const point = next.measured_at === null || next.depth === null
    ? []
    : [{ at: next.measured_at, depth: next.depth, unacked: next.unacked, consumers: next.consumers }]
  const history = before.history.at(-1)?.at === next.measured_at ? before.history : [...before.history, ...point].slice(-MOST_POINTS)
  return { ...next, workers: next.workers?.length ? next.workers : before.workers, paused: before.paused, history }
}
