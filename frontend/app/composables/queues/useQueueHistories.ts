import { shallowRef, type Ref } from 'vue'
import { api, outcome } from '~/api/client'
import type { Queue } from '~/api/types'
import { depthsByMinute } from '~/lib/charts/depths'
import { queueKey } from '~/stores/queues'

/** So many are asked for at once. */
const AT_ONCE = 4
const POLL_MS = 30_000

/** The depth over the last hour, a point a minute, of the queues that are on screen. */
export function useQueueHistories(shown: Ref<readonly Queue[]>) {
  const system = useSystemStore()
  const depths = shallowRef(new Map<string, (number | null)[]>())
  const askedAt = new Map<string, number>()
  let busy = false

  async function load(): Promise<void> {
    if (busy) return
    busy = true
    try {
      for (let next = due(); next.length; next = due()) {
        const some = await Promise.all(next.map(async (queue) => {
          askedAt.set(queueKey(queue), Date.now())
          const answer = await outcome(api.GET('/api/v1/queues/{name}', { params: { path: { name: queue.name }, query: { source: queue.source } } }))
          return answer && 'data' in answer ? [queueKey(queue), depthsByMinute(answer.data.history, Date.now() + system.skew)] as const : null
        }))
        depths.value = new Map([...depths.value, ...some.filter(one => one !== null)])
      }
    } finally {
      busy = false
    }
  }

  function due(): Queue[] {
    const before = Date.now() - POLL_MS
    return shown.value.filter(queue => (askedAt.get(queueKey(queue)) ?? 0) < before).slice(0, AT_ONCE)
  }

  usePoll(load, POLL_MS / 6)
  return { depths, load }
}
