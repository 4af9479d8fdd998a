import { onScopeDispose, ref, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Job, JobItem } from '~/api/types'
import type { ItemState, NewStatus } from '~/lib/jobs'

/** Items that the page holds at most, and how often they are asked for while the job goes on. */
export const MOST_ITEMS = 2000
const PAGE = 100
const AGAIN_MS = 1000

/** One job with its items, of one state or of all, or those whose new task has a status. */
export function useJobItems(id: Ref<string>, state: Ref<ItemState | ''>, newStatus: Ref<NewStatus | ''>) {
  const job = shallowRef<Job | null>(null)
  const items = shallowRef<JobItem[]>([])
  const cursor = ref<string | null>(null)
  const failure = shallowRef<Failure | null>(null)
  let again: ReturnType<typeof setTimeout> | undefined

  const live = useLiveStore().watch({
    topics: ['jobs'],
    frame: (frame) => {
      if (frame.type !== 'job:updated') return
      const next = frame.items.find(one => one.id === id.value)
      if (!next || !job.value) return
      job.value = { ...job.value, ...next }
      again ??= setTimeout(() => { again = undefined; void loadItems() }, AGAIN_MS)
    },
    reload: () => void load(),
  })

  async function load(): Promise<void> {
    const wanted = id.value
    const answer = await outcome(api.GET('/api/v1/jobs/{id}', { params: { path: { id: wanted } } }))
    if (!answer || wanted !== id.value) return
    failure.value = 'failure' in answer ? answer.failure : null
    if ('data' in answer) job.value = answer.data
    if (!failure.value) await loadItems()
  }

  /** As many as are shown already, from the first. */
  async function loadItems(): Promise<void> {
    await fetchItems(null, Math.min(500, Math.max(PAGE, items.value.length)))
  }

  async function loadMore(): Promise<void> {
    if (cursor.value && items.value.length < MOST_ITEMS) await fetchItems(cursor.value, PAGE)
  }

  async function fetchItems(from: string | null, limit: number): Promise<void> {
    const asked = `${id.value} ${state.value} ${newStatus.value}`
    const answer = await outcome(api.GET('/api/v1/jobs/{id}/items', {
      params: { path: { id: id.value }, query: { limit, ...(state.value ? { state: [state.value] } : {}), ...(newStatus.value ? { new_status: [newStatus.value] } : {}), ...(from ? { cursor: from } : {}) } },
    }))
    if (!answer || asked !== `${id.value} ${state.value} ${newStatus.value}`) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    items.value = from ? [...items.value, ...answer.data.items] : answer.data.items
    cursor.value = items.value.length < MOST_ITEMS ? answer.data.next_cursor : null
  }

  /** The store follows the tasks that the job sent; their items change with them. */
  const jobs = useJobsStore()
  watch(() => JSON.stringify(jobs.byId.get(id.value)?.new_tasks ?? null), () => {
    const next = jobs.byId.get(id.value)
    if (!next || !job.value) return
    job.value = { ...job.value, ...next }
    again ??= setTimeout(() => { again = undefined; void loadItems() }, AGAIN_MS)
  })
  watch(id, () => { job.value = null; items.value = []; void load() }, { immediate: true })
  watch([state, newStatus], () => { items.value = []; void loadItems() })
  onScopeDispose(() => {
    live.stop()
    clearTimeout(again)
  })

  return { job, items, cursor, failure, load, loadMore }
}
