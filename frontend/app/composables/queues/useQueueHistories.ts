import { shallowRef } from 'vue'
import { api, outcome } from '~/api/client'
import { held } from '~/lib/charts/depths'
import { queueKey } from '~/stores/queues'

const POINTS = 60
const POLL_MS = 30_000

/** The depth of every queue over the last hour, a point a minute, in one request. */
export function useQueueHistories() {
  const depths = shallowRef(new Map<string, (number | null)[]>())
  usePoll(async () => {
    const answer = await outcome(api.GET('/api/v1/queue-history', { params: { query: { points: POINTS } } }))
    if (answer && 'data' in answer) depths.value = new Map(answer.data.items.map(item => [queueKey(item), held(item.messages)]))
  }, POLL_MS)
  return depths
}
