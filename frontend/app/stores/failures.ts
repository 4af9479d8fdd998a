import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Task } from '~/api/types'
import { mergeRows } from '~/lib/taskRows'
import { useLiveStore } from './live'

const SHOWN = 8

/** The newest tasks that failed, for the overview. */
export const useFailuresStore = defineStore('failures', () => {
  const rows = shallowRef<Task[] | null>(null)
  const failure = shallowRef<Failure | null>(null)

  async function load(): Promise<void> {
    const answer = await outcome(api.GET('/api/v1/tasks', { params: { query: { status: ['failure'], limit: SHOWN } } }))
    if (!answer) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    failure.value = null
    rows.value = answer.data.items
  }

  function apply(tasks: readonly Task[]): void {
    const merged = mergeRows(rows.value ?? [], tasks, SHOWN + tasks.length)
    rows.value = merged.filter(task => task.status === 'failure').slice(0, SHOWN)
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
