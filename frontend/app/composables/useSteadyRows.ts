import { computed, onScopeDispose, shallowRef, watch, type Ref } from 'vue'

const AGAIN_MS = 2000

/**
 * Rows in an order that the viewer can follow: it is made again every two seconds, not while `hold`; at once when `asked` changes
 * (the sort, the filter). What stands in the rows is always the newest. `order` makes the rows of all items.
 */
export function useSteadyRows<T>(items: () => readonly T[], keyOf: (item: T) => string, order: (items: readonly T[]) => readonly T[], asked: () => unknown, hold: Ref<boolean>) {
  const keys = shallowRef<readonly string[]>([])
  const byKey = computed(() => new Map(items().map(item => [keyOf(item), item])))

  function arrange(): void {
    const next = order(items()).map(keyOf)
    if (next.length !== keys.value.length || next.some((key, i) => key !== keys.value[i])) keys.value = next
  }

  watch(asked, arrange)
  watch(() => items().length, arrange, { immediate: true })
  watch(hold, () => { if (!hold.value) arrange() })
  const timer = setInterval(() => { if (!hold.value && document.visibilityState === 'visible') arrange() }, AGAIN_MS)
  onScopeDispose(() => clearInterval(timer))

  return computed(() => keys.value.flatMap((key) => {
    const item = byKey.value.get(key)
    return item === undefined ? [] : [item]
  }))
}
