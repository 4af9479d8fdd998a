import { ref, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Queue, WaitingMessage } from '~/api/types'

/** Messages that the page holds at most. */
export const MOST_MESSAGES = 1000
const PAGE = 50

/** What waits in a queue, next to be delivered first, page by page, when the viewer asks. */
export function useWaitingMessages(queue: Ref<Queue>) {
  const items = shallowRef<WaitingMessage[]>([])
  const total = ref<number | null>(null)
  const cursor = ref<string | null>(null)
  const note = ref<string | null>(null)
  const failure = shallowRef<Failure | null>(null)
  const asking = ref(false)
  /** RabbitMQ shows messages only by taking them and giving them back: never without being told to. */
  const canRequeue = ref(false)

  async function load(more = false, requeue = false): Promise<void> {
    if (asking.value) return
    const of = queue.value
    asking.value = true
    const answer = await outcome(api.GET('/api/v1/queues/{name}/messages', {
      params: {
        path: { name: of.name },
        query: { source: of.source, limit: PAGE, ...(more && cursor.value ? { cursor: cursor.value } : {}), ...(requeue ? { requeue: 'true' } : {}) },
      },
    }))
    asking.value = false
    if (!answer || of.name !== queue.value.name || of.source !== queue.value.source) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    failure.value = null
    items.value = more ? [...items.value, ...answer.data.items] : answer.data.items
    total.value = answer.data.total
    note.value = answer.data.note
    canRequeue.value = answer.data.total > 0 && answer.data.items.length === 0 && !answer.data.requeued
    cursor.value = items.value.length < MOST_MESSAGES ? answer.data.next_cursor : null
  }

  watch(() => `${queue.value.source} ${queue.value.name}`, () => {
    items.value = []
    total.value = cursor.value = note.value = failure.value = null
    canRequeue.value = false
  })
  return { items, total, cursor, note, failure, asking, canRequeue, load }
}
