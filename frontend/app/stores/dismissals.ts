import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api, outcome } from '~/api/client'
import type { Dismissal } from '~/api/types'
import { dismissalOf, type Line } from '~/lib/verdict'
import { useActionsStore } from './actions'
import { useLiveStore } from './live'

const AGAIN_MS = 30_000
const SAID_MS = 20_000
const FORBIDDEN = 403

/** Issues that somebody has dismissed, for everybody, until their state changes. */
export const useDismissalsStore = defineStore('dismissals', () => {
  const items = shallowRef<readonly Dismissal[]>([])
  const loaded = ref(false)
  /** Why the last change failed, for a while. */
  const failure = ref('')
  /** Whether asking for a change makes sense: not once this gateway has said that nobody may act. */
  const possible = computed(() => loaded.value && useActionsStore().forbidden === null)
  /** Answers that were asked for before a change say nothing about it. */
  let changes = 0
  let saying: ReturnType<typeof setTimeout> | undefined
  let timer: ReturnType<typeof setInterval> | undefined

  async function load(): Promise<void> {
    const before = changes
    const answer = await outcome(api.GET('/api/v1/dismissals'))
    if (!answer || 'failure' in answer || before !== changes) return
    items.value = answer.data.items
    loaded.value = true
  }

  async function change(call: Parameters<typeof outcome<{ items: Dismissal[] }>>[0]): Promise<void> {
    const mine = ++changes
    const answer = await outcome(call)
    if (!answer) return
    say('failure' in answer ? answer.failure.text : '')
    if ('failure' in answer && answer.failure.status === FORBIDDEN) useActionsStore().forbidden = answer.failure.text
    if (mine !== changes) return
    if ('data' in answer) items.value = answer.data.items
    else await load()
  }

  function say(text: string): void {
    clearTimeout(saying)
    failure.value = text
    if (text) saying = setTimeout(() => { failure.value = '' }, SAID_MS)
  }

  /** Hides this for everybody until its state changes. */
  const dismiss = (line: Line) => change(api.POST('/api/v1/dismissals', { body: dismissalOf(line) }))
  /** Shows it again. */
  const restore = (line: Line) => change(api.DELETE('/api/v1/dismissals', { params: { query: { key: dismissalOf(line).key } } }))

  function start(): void {
    if (timer) return
    useLiveStore().watch({ topics: [], reload: () => void load() })
    timer = setInterval(() => { if (document.visibilityState === 'visible') void load() }, AGAIN_MS)
    void load()
  }

  return { items, possible, failure, load, dismiss, restore, start }
})
