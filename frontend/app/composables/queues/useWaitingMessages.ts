import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Queue, WaitingMessage } from '~/api/types'

/** Messages that the page looks at, and how many it asks for at once. */
export const MOST_MESSAGES = 1000
const PAGE = 200

export const MESSAGE_ORDERS = ['delivery', 'oldest', 'newest', 'largest'] as const
export type MessageOrder = (typeof MESSAGE_ORDERS)[number]

/** How many of the messages are of each task, most frequent first. */
export function countByName(items: readonly WaitingMessage[]): [name: string | null, n: number][] {
  const counts = new Map<string | null, number>()
  for (const { name } of items) counts.set(name, (counts.get(name) ?? 0) + 1)
  return [...counts].sort((a, b) => b[1] - a[1] || String(a[0]).localeCompare(String(b[0])))
}

/** Those that have the text in their name, ID or arguments. */
export function searched(items: readonly WaitingMessage[], text: string): readonly WaitingMessage[] {
  const wanted = text.trim().toLowerCase()
  if (!wanted) return items
  return items.filter(one => [one.name, one.id, one.args_repr ?? JSON.stringify(one.args), one.kwargs_repr ?? JSON.stringify(one.kwargs)]
    .some(part => part?.toLowerCase().includes(wanted)))
}

/** What has no time comes last. */
export function ordered(items: readonly WaitingMessage[], order: MessageOrder): readonly WaitingMessage[] {
  if (order === 'delivery') return items
  if (order === 'largest') return [...items].sort((a, b) => b.size - a.size)
  const sign = order === 'oldest' ? 1 : -1
  return [...items].sort((a, b) => Number(!a.sent_at) - Number(!b.sent_at) || sign * (a.sent_at ?? '').localeCompare(b.sent_at ?? ''))
}

/** The first messages that wait in a queue, next to be delivered first. Looking changes nothing, except where told otherwise. */
export function useWaitingMessages(queue: Ref<Queue>) {
  const items = shallowRef<WaitingMessage[]>([])
  const total = ref<number | null>(null)
  const note = ref<string | null>(null)
  const failure = shallowRef<Failure | null>(null)
  const asking = ref(false)
  /** RabbitMQ shows messages only by taking them and giving them back: never without being told to. */
  const canRequeue = ref(false)
  const requeued = ref(false)
  const counts = computed(() => countByName(items.value))
  /** Answers to what was asked before are not looked at. */
  let turn = 0

  async function load(requeue = false): Promise<void> {
    const mine = ++turn
    const found: WaitingMessage[] = []
    let cursor: string | null = null
    asking.value = true
    do {
      const answer: Awaited<ReturnType<typeof page>> = await page(queue.value, cursor, requeue)
      if (mine !== turn) return
      if (!answer || 'failure' in answer) {
        failure.value = answer?.failure ?? null
        break
      }
      failure.value = null
      found.push(...answer.data.items)
      items.value = [...found]
      total.value = answer.data.total
      note.value = answer.data.note
      requeued.value = answer.data.requeued
      canRequeue.value = answer.data.total > 0 && found.length === 0 && !answer.data.requeued
      cursor = answer.data.next_cursor
    } while (cursor && found.length < MOST_MESSAGES)
    asking.value = false
  }

  watch(() => `${queue.value.source} ${queue.value.name}`, () => {
    items.value = []
    total.value = note.value = failure.value = null
    canRequeue.value = requeued.value = false
    void load()
  }, { immediate: true })
  onScopeDispose(() => { turn++ })
  return { items, total, counts, note, failure, asking, canRequeue, requeued, load }
}

function page(of: Queue, cursor: string | null, requeue: boolean) {
  return outcome(api.GET('/api/v1/queues/{name}/messages', {
    params: {
      path: { name: of.name },
      query: { source: of.source, limit: PAGE, ...(cursor ? { cursor } : {}), ...(requeue ? { requeue: 'true' } : {}) },
    },
  }))
}
