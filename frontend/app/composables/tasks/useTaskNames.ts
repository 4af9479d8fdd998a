import { onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, outcome } from '~/api/client'

const TYPING_MS = 120
const MOST = 50

/** Names of tasks that have what is typed in them, of all that were ever stored. */
export function useTaskNames(typed: Ref<string>) {
  const names = shallowRef<string[]>([])
  let timer: ReturnType<typeof setTimeout> | undefined
  let request: AbortController | null = null

  async function load(): Promise<void> {
    request?.abort()
    const mine = request = new AbortController()
    const q = typed.value.trim()
    const answer = await outcome(api.GET('/api/v1/task-names', { params: { query: { limit: MOST, ...(q ? { q } : {}) } }, signal: mine.signal }))
    if (request === mine && answer && 'data' in answer) names.value = answer.data.items
  }

  watch(typed, () => {
    clearTimeout(timer)
    timer = setTimeout(() => void load(), TYPING_MS)
  })
  onScopeDispose(() => {
    clearTimeout(timer)
    request?.abort()
  })
  return { names, load }
}
