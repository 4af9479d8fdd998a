import { computed, onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Task, TaskEvent } from '~/api/types'

/** Events and tasks of the workflow that the page holds at most. */
const MOST_EVENTS = 500
const MOST_FAMILY = 200
const AGAIN_MS = 250
/** That there is no such task, as an answer: a browser logs a 404 as an error. */
const NOTHING = 204

/** One task, whole, with its history and its workflow; follows what happens to all of them. */
export function useTaskDetail(id: Ref<string>, source: Ref<string | undefined>) {
  const task = shallowRef<Task | null>(null)
  const events = shallowRef<TaskEvent[]>([])
  const moreEvents = ref(false)
  const family = shallowRef<Task[]>([])
  const moreFamily = ref(false)
  const failure = shallowRef<Failure | null>(null)
  const isMissing = computed(() => failure.value?.status === NOTHING || failure.value?.status === 404)
  let again: ReturnType<typeof setTimeout> | undefined

  const live = useLiveStore().watch({
    topics: ['tasks'],
    filter: { q: id.value },
    frame: (frame) => {
      if (frame.type !== 'task:created' && frame.type !== 'task:updated') return
      if (frame.items.some(item => item.id === id.value)) soon()
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
    const ask = () => outcome(api.GET('/api/v1/tasks/{id}', { params: { ...params, query: { ...params.query, missing_ok: 'true' } } }))
    // Of a task that isn't there, nothing else is asked.
    const known = task.value !== null
    const first = known ? null : await ask()
    if (wanted !== id.value) return
    if (!known && !(first && 'data' in first)) { failure.value = first?.failure ?? null; return }
    if (first && 'data' in first) task.value = first.data
    const [one, history, relatives] = await Promise.all([
      first ?? ask(),
      outcome(api.GET('/api/v1/tasks/{id}/events', { params: { ...params, query: { ...params.query, limit: MOST_EVENTS } } })),
      outcome(api.GET('/api/v1/tasks/{id}/family', { params: { ...params, query: { ...params.query, limit: MOST_FAMILY } } })),
    ])
    if (wanted !== id.value || !one) return
    if ('failure' in one) { failure.value = one.failure; return }
    failure.value = null
    task.value = one.data
    if (history && 'data' in history) {
      events.value = history.data.items
      moreEvents.value = history.data.next_cursor !== null
    }
    if (relatives && 'data' in relatives) {
      family.value = relatives.data.items
      moreFamily.value = relatives.data.next_cursor !== null
    }
  }

  watch([id, source], () => {
    task.value = null
    events.value = []
    family.value = []
    failure.value = null
    live.refilter({ q: id.value })
    void load()
  }, { immediate: true })

  // The subscription is for this task alone; what runs elsewhere in its workflow is asked for.
  usePoll(() => { if (family.value.some(other => other.completed_at === null)) void load() }, 3000)

  onScopeDispose(() => {
    live.stop()
    clearTimeout(again)
  })

  return { task, events, moreEvents, family, moreFamily, failure, isMissing, load }
}
