import { onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Queue } from '~/api/types'

const MOST_POINTS = 2000

/** One queue with its depth over the last hour; measurements are added as they come. */
export function useQueueDetail(name: Ref<string>, source: Ref<string | undefined>) {
  const queue = shallowRef<Queue | null>(null)
  const failure = shallowRef<Failure | null>(null)

  const live = useLiveStore().watch({
    topics: ['queues'],
    frame: (frame) => {
      if (frame.type !== 'queue:updated' || !queue.value) return
      const next = frame.items.find(item => item.name === name.value && item.source === queue.value?.source)
      if (next) queue.value = withMeasurement(queue.value, next)
    },
    reload: () => void load(),
  })

  async function load(): Promise<void> {
    const wanted = name.value
    const answer = await outcome(api.GET('/api/v1/queues/{name}', { params: { path: { name: wanted }, query: source.value ? { source: source.value } : {} } }))
    if (!answer || wanted !== name.value) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    failure.value = null
    queue.value = answer.data
  }

  watch([name, source], () => { queue.value = null; failure.value = null; void load() }, { immediate: true })
  onScopeDispose(live.stop)

  return { queue, failure, load }
}

function withMeasurement(before: Queue, next: Queue): Queue {
  const point = next.measured_at === null || next.depth === null
    ? []
    : [{ at: next.measured_at, depth: next.depth, unacked: next.unacked, consumers: next.consumers }]
  const history = before.history.at(-1)?.at === next.measured_at ? before.history : [...before.history, ...point].slice(-MOST_POINTS)
  return { ...next, workers: next.workers?.length ? next.workers : before.workers, history }
}
