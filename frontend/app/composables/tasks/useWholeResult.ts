import { ref, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Task, TaskResult } from '~/api/types'
import { parseExact } from '~/lib/exactJson'

/** What the result backend has of a task, asked for when the viewer wants it. */
export function useWholeResult(task: Ref<Task | null>) {
  const result = shallowRef<TaskResult | null>(null)
  const failure = shallowRef<Failure | null>(null)
  const asking = ref(false)

  async function load(): Promise<void> {
    const of = task.value
    if (!of || asking.value) return
    asking.value = true
    const answer = await outcome(api.GET('/api/v1/tasks/{id}/result', { params: { path: { id: of.id }, query: { source: of.source } }, parseAs: 'text' }))
    asking.value = false
    if (!answer || task.value?.id !== of.id) return
    failure.value = 'failure' in answer ? answer.failure : null
    result.value = 'data' in answer ? parseExact(answer.data as unknown as string) as TaskResult : null
  }

  watch(() => task.value?.id, () => { result.value = failure.value = null })
  return { result, failure, asking, load }
}
