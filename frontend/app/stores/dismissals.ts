import { defineStore } from 'pinia'
import { ref, shallowRef } from 'vue'
import { api, outcome } from '~/api/client'
import type { Dismissal } from '~/lib/verdict'
import { useLiveStore } from './live'

/** What api/schema.d.ts has once the gateway describes it. */
interface Dismissals { items: Dismissal[] }
type Untyped = (path: string, init?: object) => Promise<{ data?: unknown, error?: unknown, response: Response }>

/** Whether gateways of this version keep dismissals: asking one that doesn't is an error in the console of every page. */
const KEPT = false

/** Issues that somebody has dismissed, for everybody, until their state changes. */
export const useDismissalsStore = defineStore('dismissals', () => {
  const items = shallowRef<readonly Dismissal[]>([])
  /** Whether this gateway keeps dismissals. */
  const possible = ref(false)
  const failure = ref('')
  let started = false

  async function load(): Promise<void> {
    const answer = await outcome((api.GET as unknown as Untyped)('/api/v1/dismissals'))
    if (!answer || 'failure' in answer) return
    possible.value = true
    items.value = (answer.data as Dismissals).items
  }

  async function dismiss(key: string, state: string): Promise<void> {
    const answer = await outcome((api.POST as unknown as Untyped)('/api/v1/dismissals', { body: { key, state } }))
    failure.value = answer && 'failure' in answer ? answer.failure.text : ''
    if (answer && 'data' in answer) items.value = [...items.value.filter(one => one.key !== key), { key, state }]
  }

  function start(): void {
    if (started) return
    started = true
    if (!KEPT) return
    useLiveStore().watch({ topics: ['system'], reload: () => void load() })
    void load()
  }

  return { items, possible, failure, load, dismiss, start }
})
