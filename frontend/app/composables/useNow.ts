import { onScopeDispose, readonly, ref } from 'vue'

const now = ref(Date.now())
let users = 0
let timer: ReturnType<typeof setInterval> | undefined

/** The viewer's clock, in milliseconds, ticking once a second for everybody. */
export function useNow() {
  now.value = Date.now()
  if (users++ === 0) timer = setInterval(() => { now.value = Date.now() }, 1000)
  onScopeDispose(() => { if (--users === 0) clearInterval(timer) })
  return readonly(now)
}
