import { shallowRef } from 'vue'
import { api, outcome } from '~/api/client'
import type { StatusCounts } from '~/api/types'

const MOST = 500
const POLL_MS = 10_000

/** How the tasks of each worker ended in the last hour, by its id. */
export function useWorkerTotals() {
  const counts = shallowRef(new Map<string, StatusCounts>())
  usePoll(async () => {
    const answer = await outcome(api.GET('/api/v1/metrics/totals', { params: { query: { group_by: 'worker', limit: MOST } } }))
    if (answer && 'data' in answer) counts.value = new Map(answer.data.groups.flatMap(group => group.key === null ? [] : [[group.key, group.counts]]))
  }, POLL_MS)
  return counts
}
