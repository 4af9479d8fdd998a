import { onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, outcome } from '~/api/client'
import type { Task } from '~/api/types'
import { taskKey } from '~/lib/tasks/taskRows'

const WAIT_MS = 120

/** A row of the list, whole: rows leave out what is long. One request, once the viewer stays at it. */
export function useTaskPeek(row: Ref<Task | null>) {
  const whole = shallowRef<Task | null>(null)
  let timer: ReturnType<typeof setTimeout> | undefined
  let request: AbortController | null = null

  async function load(of: Task): Promise<void> {
    request?.abort()
    const mine = request = new AbortController()
    const answer = await outcome(api.GET('/api/v1/tasks/{id}', { params: { path: { id: of.id }, query: { source: of.source } }, signal: mine.signal }))
    if (request === mine && answer && 'data' in answer) whole.value = answer.data
  }

  watch(row, (next, before) => {
    clearTimeout(timer)
    if (!next) { request?.abort(); whole.value = null; return }
    if (!before || taskKey(next) !== taskKey(before)) whole.value = null
    timer = setTimeout(() => void load(next), WAIT_MS)
  }, { immediate: true })
  onScopeDispose(() => {
    clearTimeout(timer)
    request?.abort()
  })
  return { whole }
}
