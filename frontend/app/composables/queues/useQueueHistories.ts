import { shallowRef, type Ref } from 'vue'
import { api, outcome } from '~/api/client'
import type { Queue } from '~/api/types'
import { depthsByMinute } from '~/lib/charts/depths'
import { queueKey } from '~/stores/queues'

/** So many queues get a line of their last hour, so many are asked for at once. */
const MOST = 60
const AT_ONCE = 4
const POLL_MS = 30_000

/** The depth of each queue over the last hour, a point a minute. */
export function useQueueHistories(queues: Ref<readonly Queue[]>) {
  const system = useSystemStore()
  const depths = shallowRef(new Map<string, (number | null)[]>())

  async function load(): Promise<void> {
    const wanted = queues.value.slice(0, MOST)
    const next = new Map<string, (number | null)[]>()
    for (let i = 0; i < wanted.length; i += AT_ONCE) {
      await Promise.all(wanted.slice(i, i + AT_ONCE).map(async (queue) => {
        const answer = await outcome(api.GET('/api/v1/queues/{name}', { params: { path: { name: queue.name }, query: { source: queue.source } } }))
        if (answer && 'data' in answer) next.set(queueKey(queue), depthsByMinute(answer.data.history, Date.now() + system.skew))
      }))
    }
    if (next.size) depths.value = next
  }

  usePoll(load, POLL_MS)
  return { depths, load }
}
