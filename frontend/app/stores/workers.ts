import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Worker } from '~/api/types'
import { Batch, compareNames, Held } from '~/lib/fleet/held'
import type { LiveWorker } from '~/lib/live'
import { useLiveStore, type Watch } from './live'

/** More workers than this are not held in the page. */
export const MOST_WORKERS = 2000

/** What frames do not tell, of a worker that was not known before. */
const UNTOLD: Pick<Worker, 'registered' | 'conf' | 'stats' | 'active_queues'> = { registered: [], conf: null, stats: null, active_queues: null }

export function workerKey(worker: Pick<Worker, 'source' | 'id'>): string {
  return `${worker.source}\u0000${worker.id}`
}

/** Frames of a large fleet come many times a second: they are shown this often. */
const SHOW_MS = 250

/** Online ones first, then by name. */
function compare(a: Worker, b: Worker): number {
  return Number(a.status === 'offline') - Number(b.status === 'offline') || compareNames(a.id, b.id) || compareNames(a.source, b.source)
}

export const useWorkersStore = defineStore('workers', () => {
  const held = new Held<Worker>(MOST_WORKERS, workerKey, compare)
  const workers = shallowRef<readonly Worker[]>([])
  const loaded = shallowRef(false)
  const failure = shallowRef<Failure | null>(null)
  const batch = new Batch<LiveWorker>(SHOW_MS, apply)

  const byKey = computed<ReadonlyMap<string, Worker>>(() => new Map(workers.value.map(worker => [workerKey(worker), worker])))
  const online = computed(() => workers.value.filter(worker => worker.status === 'online'))
  const registered = computed(() => [...new Set(workers.value.flatMap(worker => worker.registered))].sort())

  async function load(): Promise<void> {
    const next: Worker[] = []
    let cursor: string | null = null
    do {
      const answer: Awaited<ReturnType<typeof page>> = await page(cursor)
      if (!answer) return
      if ('failure' in answer) { failure.value = answer.failure; return }
      next.push(...answer.data.items)
      cursor = answer.data.next_cursor
    } while (cursor && next.length < MOST_WORKERS)
    // Frames that wait are shown after it: they may be newer.
    held.replace(next)
    workers.value = held.sorted
    loaded.value = true
    failure.value = null
  }

  function page(cursor: string | null) {
    return outcome(api.GET('/api/v1/workers', { params: { query: { limit: 500, ...(cursor ? { cursor } : {}) } } }))
  }

  function apply(items: readonly LiveWorker[]): void {
    held.put(items, workerKey, (worker, before) => ({ ...(before ?? UNTOLD), ...worker }))
    workers.value = held.sorted
  }

  let users = 0
  let watch: Watch | null = null

  /** Keeps the workers up to date until the returned function is called, however many want it. */
  function open(): () => void {
    if (users++ === 0) {
      watch = useLiveStore().watch({
        topics: ['workers'],
        frame: (frame) => {
          if (frame.type === 'worker:online' || frame.type === 'worker:offline' || frame.type === 'worker:updated') batch.add(frame.items)
        },
        reload: load,
      })
      void load()
    }
    return () => {
      if (--users > 0) return
      watch?.stop()
      batch.drop()
      watch = null
    }
  }

  return { byKey, workers, online, registered, loaded, failure, load, apply, open }
})
