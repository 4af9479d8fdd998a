import { shallowRef } from 'vue'
import { api, outcome } from '~/api/client'

const MINUTES = 5
const MOST = 1000
const POLL_MS = 10_000

export interface Rates {
  /** A second, over the last minutes: task-sent; received by workers. Null when events do not name the queue. */
  into: number | null
  out: number | null
  waited: number | null
}

/** How fast queues fill and empty, by name. Celery names the queue in task-sent only; without it nothing is known. */
export function useQueueRates() {
  const system = useSystemStore()
  const rates = shallowRef(new Map<string, Rates>())
  usePoll(async () => {
    const now = Date.now() + system.skew
    const query = { from: new Date(now - MINUTES * 60_000).toISOString(), to: new Date(now).toISOString(), group_by: 'queue' as const, limit: MOST }
    const answer = await outcome(api.GET('/api/v1/metrics/totals', { params: { query } }))
    if (!answer || !('data' in answer)) return
    const seconds = (Date.parse(answer.data.to) - Date.parse(answer.data.from)) / 1000
    rates.value = new Map(answer.data.groups.flatMap(({ key, counts, queue_wait }) => key === null ? [] : [[key, { into: counts.pending / seconds, out: counts.received / seconds, waited: queue_wait.p95 }]]))
  }, POLL_MS)
  return rates
}
