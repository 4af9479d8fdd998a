import { onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Worker } from '~/api/types'

/** One worker with its configuration and statistics; heartbeats keep the rest up to date. */
export function useWorkerDetail(id: Ref<string>, source: Ref<string | undefined>) {
  const worker = shallowRef<Worker | null>(null)
  const failure = shallowRef<Failure | null>(null)

  const live = useLiveStore().watch({
    topics: ['workers'],
    frame: (frame) => {
      if (frame.type !== 'worker:online' && frame.type !== 'worker:offline' && frame.type !== 'worker:updated') return
      const next = frame.items.find(item => item.id === id.value && item.source === worker.value?.source)
      if (!next || !worker.value) return
      // What frames do not tell stays; after a new inspection it is asked for again.
      const inspectedAnew = next.inspected_at !== worker.value.inspected_at
      worker.value = { ...worker.value, ...next }
      if (inspectedAnew) void load()
    },
    reload: () => void load(),
  })

  async function load(): Promise<void> {
    const wanted = id.value
    const answer = await outcome(api.GET('/api/v1/workers/{id}', { params: { path: { id: wanted }, query: source.value ? { source: source.value } : {} } }))
    if (!answer || wanted !== id.value) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    failure.value = null
    worker.value = answer.data
  }

  watch([id, source], () => { worker.value = null; failure.value = null; void load() }, { immediate: true })
  onScopeDispose(live.stop)

  return { worker, failure, load }
}
