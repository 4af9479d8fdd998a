import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Queue } from '~/api/types'
import { isStranded } from '~/lib/attention'
import { useLiveStore, type Watch } from './live'

export const MOST_QUEUES = 2000
/** So often is asked for what frames do not tell. */
const AGAIN_MS = 15_000

export function queueKey(queue: Pick<Queue, 'source' | 'name'>): string {
  return `${queue.source}\u0000${queue.name}`
}

export const useQueuesStore = defineStore('queues', () => {
  const byKey = shallowRef(new Map<string, Queue>())
  const loaded = shallowRef(false)
  const failure = shallowRef<Failure | null>(null)

  /** What needs attention first: stranded messages, then the deepest. */
  const queues = computed(() => [...byKey.value.values()].sort((a, b) =>
    Number(isStranded(b)) - Number(isStranded(a)) || a.name.localeCompare(b.name) || a.source.localeCompare(b.source)))
  const deepest = computed(() => [...byKey.value.values()].sort((a, b) =>
    Number(isStranded(b)) - Number(isStranded(a)) || (b.depth ?? 0) - (a.depth ?? 0) || a.name.localeCompare(b.name)))

  async function load(): Promise<void> {
    const next = new Map<string, Queue>()
    let cursor: string | null = null
    do {
      const answer: Awaited<ReturnType<typeof page>> = await page(cursor)
      if (!answer) return
      if ('failure' in answer) { failure.value = answer.failure; return }
      for (const queue of answer.data.items) next.set(queueKey(queue), queue)
      cursor = answer.data.next_cursor
    } while (cursor && next.size < MOST_QUEUES)
    byKey.value = next
    loaded.value = true
    failure.value = null
  }

  function page(cursor: string | null) {
    return outcome(api.GET('/api/v1/queues', { params: { query: { limit: 500, ...(cursor ? { cursor } : {}) } } }))
  }

  /** Frames tell neither its workers nor whether it is paused: what the last answer said stays. */
  function apply(items: readonly Queue[]): void {
    const next = new Map(byKey.value)
    for (const queue of items) {
      const key = queueKey(queue)
      const before = next.get(key)
      if (before) next.set(key, { ...queue, workers: queue.workers?.length ? queue.workers : before.workers, paused: before.paused })
      else if (next.size < MOST_QUEUES) next.set(key, { ...queue, workers: queue.workers ?? [] })
    }
    byKey.value = next
  }

  let users = 0
  let watch: Watch | null = null
  let timer: ReturnType<typeof setInterval> | undefined

  /** Keeps the queues up to date until the returned function is called, however many want it. */
  function open(): () => void {
    if (users++ === 0) {
      watch = useLiveStore().watch({
        topics: ['queues'],
        frame: (frame) => { if (frame.type === 'queue:updated') apply(frame.items) },
        reload: load,
      })
      timer = setInterval(() => { if (document.visibilityState === 'visible') void load() }, AGAIN_MS)
      void load()
    }
    return () => {
      if (--users > 0) return
      watch?.stop()
      clearInterval(timer)
      watch = null
    }
  }

  return { queues, deepest, loaded, failure, load, apply, open }
})
