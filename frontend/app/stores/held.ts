import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { api, outcome } from '~/api/client'
import { useWorkersStore, workerKey } from './workers'

const AGAIN_MS = 20_000
/** Asked about: those that went last. */
const MOST_WORKERS = 50
const MOST_TASKS = 200

/** How many tasks offline workers still have: received or started there, without an end. */
export const useHeldStore = defineStore('held', () => {
  const byWorker = shallowRef<ReadonlyMap<string, number>>(new Map())
  let asked = ''
  let askedAt = 0

  /** Asks storage when other workers are offline than before, and again every 20 s. */
  async function look(now = Date.now()): Promise<void> {
    const offline = useWorkersStore().workers.filter(worker => worker.status === 'offline')
      .sort((a, b) => (b.last_seen ?? '').localeCompare(a.last_seen ?? '')).slice(0, MOST_WORKERS)
    const key = offline.map(workerKey).join()
    if (!offline.length) byWorker.value = new Map()
    if (!offline.length || (key === asked && now - askedAt < AGAIN_MS)) return
    asked = key
    askedAt = now
    const answer = await outcome(api.GET('/api/v1/tasks', {
      params: { query: { status: ['received', 'started'], worker: offline.map(worker => worker.id), limit: MOST_TASKS } },
    }))
    if (!answer || 'failure' in answer) return
    const next = new Map<string, number>()
    for (const task of answer.data.items) {
      const of = `${task.source}\u0000${task.worker_id}`
      next.set(of, (next.get(of) ?? 0) + 1)
    }
    byWorker.value = next
  }

  return { byWorker, look }
})
