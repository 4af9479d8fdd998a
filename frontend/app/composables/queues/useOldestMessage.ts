import { shallowRef, watch, type Ref } from 'vue'
import { api, outcome } from '~/api/client'
import type { Queue } from '~/api/types'

const POLL_MS = 15_000

/** Since when the message that is delivered next waits; null when there is none, or the broker shows none without taking it. */
export function useOldestMessage(queue: Ref<Queue | null>) {
  const oldest = shallowRef<string | null>(null)

  async function load(): Promise<void> {
    const of = queue.value
    if (!of || !of.depth) { oldest.value = null; return }
    const answer = await outcome(api.GET('/api/v1/queues/{name}/messages', { params: { path: { name: of.name }, query: { source: of.source, limit: 1 } } }))
    if (queue.value?.name !== of.name) return
    oldest.value = answer && 'data' in answer ? answer.data.items[0]?.sent_at ?? null : null
  }

  watch(() => queue.value && `${queue.value.source} ${queue.value.name} ${queue.value.depth === 0}`, () => void load())
  usePoll(load, POLL_MS)
  return oldest
}
