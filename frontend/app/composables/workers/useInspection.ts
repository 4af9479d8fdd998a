import { ref, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { InspectMethod, Worker, WorkerReplies } from '~/api/types'

/** A question to one worker, asked when the viewer wants it. */
export function useInspection(worker: Ref<Worker>, method: Ref<InspectMethod>) {
  const answer = shallowRef<WorkerReplies | null>(null)
  const failure = shallowRef<Failure | null>(null)
  const asking = ref(false)
  const answeredAt = ref<string | null>(null)

  async function ask(): Promise<void> {
    const [of, wanted] = [worker.value, method.value]
    asking.value = true
    const reply = await outcome(api.GET('/api/v1/inspect/{method}', { params: { path: { method: wanted }, query: { source: of.source, worker: [of.id] } } }))
    if (of.id !== worker.value.id || wanted !== method.value) return
    asking.value = false
    if (!reply) return
    failure.value = 'failure' in reply ? reply.failure : null
    answer.value = 'data' in reply ? reply.data : null
    answeredAt.value = new Date().toISOString()
  }

  // Before what asks again: the answer that is there belongs to another question.
  watch([() => worker.value.id, method], () => {
    answer.value = failure.value = answeredAt.value = null
    asking.value = false
  })
  return { answer, answeredAt, failure, asking, ask }
}
