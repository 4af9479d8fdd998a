import { onScopeDispose } from 'vue'

/** Calls `work` now and every `ms` milliseconds while the page is visible. */
export function usePoll(work: () => unknown, ms: number): void {
  const run = () => { if (document.visibilityState === 'visible') work() }
  const timer = setInterval(run, ms)
  document.addEventListener('visibilitychange', run)
  work()
  onScopeDispose(() => {
    clearInterval(timer)
    document.removeEventListener('visibilitychange', run)
  })
}
