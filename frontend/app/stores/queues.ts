import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Queue } from '~/api/types'
import { isStranded } from '~/lib/attention'
import { Batch, compareNames, Held } from '~/lib/fleet/held'
import { useLiveStore, type Watch } from './live'

export const MOST_QUEUES = 2000
/** So often is asked for what frames do not tell. */
const AGAIN_MS = 15_000

export function queueKey(queue: Pick<Queue, 'source' | 'name'>): string {
  return `${queue.source}\u0000${queue.name}`
}

/** Frames of many queues are shown this often. */
const SHOW_MS = 250

/** What needs attention first, then by name. */
function compare(a: Queue, b: Queue): number {
  return Number(isStranded(b)) - Number(isStranded(a)) || compareNames(a.name, b.name) || compareNames(a.source, b.source)
}

export const useQueuesStore = defineStore('queues', () => {
  const held = new Held<Queue>(MOST_QUEUES, queueKey, compare)
  const queues = shallowRef<readonly Queue[]>([])
  const loaded = shallowRef(false)
  const failure = shallowRef<Failure | null>(null)
  let asking = false
  const batch = new Batch<Queue>(SHOW_MS, take)

  /** What needs attention first, then the deepest; equal ones by name. */
  const deepest = computed(() => [...queues.value].sort((a, b) => Number(isStranded(b)) - Number(isStranded(a)) || (b.depth ?? 0) - (a.depth ?? 0)))

  async function load(): Promise<void> {
    const next: Queue[] = []
    let cursor: string | null = null
    do {
      const answer: Awaited<ReturnType<typeof page>> = await page(cursor)
      if (!answer) return
      if ('failure' in answer) { failure.value = answer.failure; return }
      next.push(...answer.data.items)
      cursor = answer.data.next_cursor
    } while (cursor && next.length < MOST_QUEUES)
    // Frames that wait are shown after it: they may be newer.
    held.replace(next)
    queues.value = held.sorted
    loaded.value = true
    failure.value = null
  }

  function page(cursor: string | null) {
    return outcome(api.GET('/api/v1/queues', { params: { query: { limit: 500, ...(cursor ? { cursor } : {}) } } }))
  }

  /** A queue that is not known is asked for: by its frame alone nobody could say whether it is paused or consumed. */
  function take(items: readonly Queue[]): void {
    const known = items.filter(queue => held.byKey.has(queueKey(queue)))
    if (known.length) apply(known)
    if (known.length === items.length || held.byKey.size >= MOST_QUEUES || asking) return
    asking = true
    void load().finally(() => { asking = false })
  }

  /** Frames tell neither its workers nor whether it is paused: what the last answer said stays. */
  function apply(items: readonly Queue[]): void {
    held.put(items, queueKey, (queue, before) => before
      ? { ...queue, workers: queue.workers?.length ? queue.workers : before.workers, paused: before.paused }
      : { ...queue, workers: queue.workers ?? [] })
    queues.value = held.sorted
  }

  let users = 0
  let watch: Watch | null = null
  let timer: ReturnType<typeof setInterval> | undefined

  /** Keeps the queues up to date until the returned function is called, however many want it. */
  function open(): () => void {
    if (users++ === 0) {
      watch = useLiveStore().watch({
        topics: ['queues'],
        frame: (frame) => { if (frame.type === 'queue:updated') batch.add(frame.items) },
        reload: load,
      })
      timer = setInterval(() => { if (document.visibilityState === 'visible') void load() }, AGAIN_MS)
      void load()
    }
    return () => {
      if (--users > 0) return
      watch?.stop()
      clearInterval(timer)
      batch.drop()
      watch = null
    }
  }

  return { queues, deepest, loaded, failure, load, take, apply, open }
})
