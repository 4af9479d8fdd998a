import { defineStore } from 'pinia'
import { shallowRef } from 'vue'
import type { Task } from '~/api/types'

/** The task of the list that is looked at beside it. */
export const usePeekStore = defineStore('peek', () => {
  const task = shallowRef<Task | null>(null)
  function show(next: Task): void { task.value = next }
  function close(): void { task.value = null }
  return { task, show, close }
})
