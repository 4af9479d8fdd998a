import { computed, onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, outcome } from '~/api/client'
import type { Worker } from '~/api/types'
import { limitsOf, LIMITS_ARGUMENTS, type TaskLimits } from '~/lib/fleet/limits'

/** The limits of a worker's tasks as it has them now: asked when they are looked at, and again after an action. Null while unknown. */
export function useTaskLimits(worker: Ref<Worker>) {
  const limits = shallowRef<Map<string, TaskLimits> | null>(null)
  const actions = useActionsStore()
  let turn = 0

  async function ask(): Promise<void> {
    const mine = ++turn
    const { id, source } = worker.value
    const reply = await outcome(api.GET('/api/v1/inspect/{method}', { params: { path: { method: 'registered' }, query: { source, worker: [id], arguments: LIMITS_ARGUMENTS } } }))
    if (mine !== turn) return
    const own = reply && 'data' in reply ? reply.data.replies.find(one => one.worker === id) : undefined
    limits.value = own?.ok ? limitsOf(own.value) : null
  }

  const isOnline = computed(() => worker.value.status === 'online')
  watch([() => worker.value.id, () => worker.value.source], () => { limits.value = null })
  watch([() => worker.value.id, () => worker.value.source, isOnline, () => actions.finished], () => { if (isOnline.value) void ask() }, { immediate: true })
  onScopeDispose(() => { turn++ })
  return limits
}
