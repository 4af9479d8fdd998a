import { defineStore } from 'pinia'
import { computed, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Worker } from '~/api/types'
import type { LiveWorker } from '~/lib/live'
import { useLiveStore, type Watch } from './live'

/** More workers than this are not held in the page. */
export const MOST_WORKERS = 2000

/** What frames do not tell, of a worker that was not known before. */
const UNTOLD: Pick<Worker, 'registered' | 'conf' | 'stats' | 'active_queues'> = { registered: [], conf: null, stats: null, active_queues: null }

export function workerKey(worker: Pick<Worker, 'source' | 'id'>): string {
  return `${worker.source}\u0000${worker.id}`
}

export const useWorkersStore = defineStore('workers', () => {
  const byKey = shallowRef(new Map<string, Worker>())
  const loaded = shallowRef(false)
  const failure = shallowRef<Failure | null>(null)

  /** Online ones first, then by name. */
  const workers = computed(() => [...byKey.value.values()].sort((a, b) =>
    Number(a.status === 'offline') - Number(b.status === 'offline') || a.id.localeCompare(b.id) || a.source.localeCompare(b.source)))
  const online = computed(() => workers.value.filter(worker => worker.status === 'online'))
  const registered = computed(() => [...new Set(workers.value.flatMap(worker => worker.registered))].sort())

  async function load(): Promise<void> {
    const next = new Map<string, Worker>()
    let cursor: string | null = null
    do {
      const answer: Awaited<ReturnType<typeof page>> = await page(cursor)
      if (!answer) return
      if ('failure' in answer) { failure.value = answer.failure; return }
      for (const worker of answer.data.items) next.set(workerKey(worker), worker)
      cursor = answer.data.next_cursor
    } while (cursor && next.size < MOST_WORKERS)
    byKey.value = next
    loaded.value = true
    failure.value = null
  }

  function page(cursor: string | null) {
    return outcome(api.GET('/api/v1/workers', { params: { query: { limit: 500, ...(cursor ? { cursor } : {}) } } }))
  }

  function apply(items: readonly LiveWorker[]): void {
    const next = new Map(byKey.value)
    for (const worker of items) {
      const known = next.get(workerKey(worker))
      if (known || next.size < MOST_WORKERS) next.set(workerKey(worker), { ...(known ?? UNTOLD), ...worker })
    }
    byKey.value = next
  }

  let users = 0
  let watch: Watch | null = null

  /** Keeps the workers up to date until the returned function is called, however many want it. */
  function open(): () => void {
    if (users++ === 0) {
      watch = useLiveStore().watch({
        topics: ['workers'],
        frame: (frame) => {
          if (frame.type === 'worker:online' || frame.type === 'worker:offline' || frame.type === 'worker:updated') apply(frame.items)
        },
        reload: load,
      })
      void load()
    }
    return () => {
      if (--users > 0) return
      watch?.stop()
      watch = null
    }
  }

  return { byKey, workers, online, registered, loaded, failure, load, apply, open }
})
