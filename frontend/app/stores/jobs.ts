import { defineStore } from 'pinia'
import { computed, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import { isUnderWay } from '~/lib/jobs'
import type { LiveJob } from '~/lib/live'
import { useLiveStore, type Watch } from './live'

/** Older jobs are fetched when somebody asks for them. */
export const MOST_JOBS = 500
const PAGE = 50
const FOLLOW_MS = 2000
const FOLLOW_MAX_MS = 30_000

/** Bulk jobs, newest first, with their progress. */
export const useJobsStore = defineStore('jobs', () => {
  const byId = shallowRef(new Map<string, LiveJob>())
  const loaded = shallowRef(false)
  const failure = shallowRef<Failure | null>(null)
  const cursor = shallowRef<string | null>(null)
  const jobs = computed(() => [...byId.value.values()].sort((a, b) => b.created_at.localeCompare(a.created_at) || b.id.localeCompare(a.id)))
  const underWay = computed(() => jobs.value.filter(isUnderWay))

  async function load(): Promise<void> {
    const answer = await outcome(api.GET('/api/v1/jobs', { params: { query: { limit: PAGE } } }))
    if (!answer) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    failure.value = null
    cursor.value = answer.data.next_cursor
    byId.value = new Map(answer.data.items.map(job => [job.id, job]))
    loaded.value = true
  }

  async function loadMore(): Promise<void> {
    if (!cursor.value) return
    const answer = await outcome(api.GET('/api/v1/jobs', { params: { query: { limit: PAGE, cursor: cursor.value } } }))
    if (!answer) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    cursor.value = byId.value.size + answer.data.items.length < MOST_JOBS ? answer.data.next_cursor : null
    apply(answer.data.items)
  }

  function apply(items: readonly LiveJob[]): void {
    const next = new Map(byId.value)
    for (const job of items) next.set(job.id, { ...next.get(job.id), ...job })
    const oldestFirst = [...next.values()].sort((a, b) => a.created_at.localeCompare(b.created_at))
    for (const job of oldestFirst.slice(0, Math.max(0, next.size - MOST_JOBS))) next.delete(job.id)
    byId.value = next
  }

  /** Loads a job from time to time while the tasks that it sent are not finished: frames tell only of the job. */
  function follow(id: () => string, isOpen: Ref<boolean>): () => void {
    let timer: ReturnType<typeof setTimeout> | undefined
    let wait = FOLLOW_MS
    let isOver = false
    const again = () => {
      timer = isOpen.value && !isOver ? setTimeout(() => void one(), wait) : undefined
      wait = Math.min(wait * 1.3, FOLLOW_MAX_MS)
    }
    const one = async () => {
      const answer = await outcome(api.GET('/api/v1/jobs/{id}', { params: { path: { id: id() } } }))
      if (answer && 'data' in answer) apply([answer.data])
      again()
    }
    const stop = watch([id, isOpen], () => { clearTimeout(timer); wait = FOLLOW_MS; again() }, { immediate: true })
    return () => { isOver = true; stop(); clearTimeout(timer) }
  }

  let users = 0
  let live: Watch | null = null

  /** Keeps the jobs up to date until the returned function is called, however many want it. */
  function open(): () => void {
    if (users++ === 0) {
      live = useLiveStore().watch({
        topics: ['jobs'],
        frame: (frame) => { if (frame.type === 'job:updated') apply(frame.items) },
        reload: load,
      })
      void load()
    }
    return () => {
      if (--users > 0) return
      live?.stop()
      live = null
    }
  }

  return { byId, jobs, underWay, loaded, failure, cursor, load, loadMore, apply, follow, open }
})
