import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Task } from '~/api/types'
import { parseTime } from '~/lib/format'
import { mergeRows } from '~/lib/taskRows'
import { useLiveStore } from './live'

const SHOWN = 8

/** By when they failed, which is not the order in which they were seen. */
function lastToFail(tasks: readonly Task[]): Task[] {
  const at = (task: Task) => parseTime(task.completed_at ?? task.updated_at) ?? 0
  return [...tasks].sort((a, b) => at(b) - at(a))
}

/** The newest tasks that failed, for the overview. */
export const useFailuresStore = defineStore('failures', () => {
  const rows = shallowRef<Task[] | null>(null)
  const failure = shallowRef<Failure | null>(null)

  async function load(): Promise<void> {
    const answer = await outcome(api.GET('/api/v1/tasks', { params: { query: { status: ['failure'], limit: SHOWN } } }))
    if (!answer) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    failure.value = null
    rows.value = lastToFail(answer.data.items)
  }

  function apply(tasks: readonly Task[]): void {
    const merged = mergeRows(rows.value ?? [], tasks, SHOWN + tasks.length)
    rows.value = lastToFail(merged.filter(task => task.status === 'failure')).slice(0, SHOWN)
  }

  /** Keeps the list up to date until the returned function is called. */
  function open(): () => void {
    const watch = useLiveStore().watch({
      topics: ['tasks'],
      filter: { status: ['failure'] },
      frame: (frame) => { if (frame.type === 'task:created' || frame.type === 'task:updated') apply(frame.items) },
      reload: load,
    })
    void load()
    return watch.stop
  }

  return { rows, failure, load, apply, open }
})
