import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Task, TaskEvent } from '~/api/types'
import { taskKey } from '~/lib/taskRows'

/** Events of one task that the page holds at most. */
const MOST_EVENTS = 1000
const AGAIN_MS = 250

/** One task, whole, with its history and its next of kin; follows what happens to it. */
export function useTaskDetail(id: Ref<string>, source: Ref<string | undefined>) {
  const task = shallowRef<Task | null>(null)
  const events = shallowRef<TaskEvent[]>([])
  const moreEvents = ref(false)
  const relatives = shallowRef<Record<string, Task | null>>({})
  const failure = shallowRef<Failure | null>(null)
  const isMissing = computed(() => failure.value?.status === 404)
  let again: ReturnType<typeof setTimeout> | undefined

  const live = useLiveStore().watch({
    topics: ['tasks'],
    filter: { q: id.value },
    frame: (frame) => {
      if (frame.type !== 'task:created' && frame.type !== 'task:updated') return
      if (frame.items.some(item => item.id === id.value)) soon()
      for (const item of frame.items) {
        if (item.id in relatives.value && item.source === task.value?.source) relatives.value = { ...relatives.value, [item.id]: item }
      }
    },
    reload: () => void load(),
  })

  function soon(): void {
    again ??= setTimeout(() => {
      again = undefined
      void load()
    }, AGAIN_MS)
  }

  async function load(): Promise<void> {
    const wanted = id.value
    const params = { path: { id: wanted }, query: source.value ? { source: source.value } : {} }
    const [one, history] = await Promise.all([
      outcome(api.GET('/api/v1/tasks/{id}', { params })),
      outcome(api.GET('/api/v1/tasks/{id}/events', { params: { ...params, query: { ...params.query, limit: 500 } } })),
    ])
    if (wanted !== id.value || !one) return
    if ('failure' in one) { failure.value = one.failure; return }
    failure.value = null
    task.value = one.data
    if (history && 'data' in history) {
      events.value = history.data.items.slice(0, MOST_EVENTS)
      moreEvents.value = history.data.next_cursor !== null
    }
    void loadRelatives(one.data)
  }

  async function loadRelatives(of: Task): Promise<void> {
    const ids = [...new Set([of.root_id, of.parent_id])].filter((other): other is string => Boolean(other) && other !== of.id)
    const missing = ids.filter(other => !(other in relatives.value))
    for (const other of missing) {
      const answer = await outcome(api.GET('/api/v1/tasks/{id}', { params: { path: { id: other }, query: { source: of.source } } }))
      if (!task.value || taskKey(task.value) !== taskKey(of)) return
      relatives.value = { ...relatives.value, [other]: answer && 'data' in answer ? answer.data : null }
    }
  }

  watch([id, source], () => {
    task.value = null
    events.value = []
    relatives.value = {}
    failure.value = null
    live.refilter({ q: id.value })
    void load()
  }, { immediate: true })

  onScopeDispose(() => {
    live.stop()
    clearTimeout(again)
  })

  return { task, events, moreEvents, relatives, failure, isMissing, load }
}
