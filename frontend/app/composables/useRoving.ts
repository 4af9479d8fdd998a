import { computed, nextTick, ref, type Ref } from 'vue'

/**
 * One tab stop for a list of things; arrow keys, Home and End go from one to the next. Put `@keydown="onKeydown"` on the
 * element around the list, which is `container`, and `v-bind="item(key)"` on each thing. The stop stays with the thing
 * that had the focus last, also when the list changes; when that thing goes, it is the first one's.
 */
export function useRoving(keys: () => readonly string[], container: Ref<HTMLElement | null>, axis: 'x' | 'y' = 'y', reveal?: (index: number) => void) {
  const chosen = ref<string | null>(null)
  const current = computed(() => chosen.value !== null && keys().includes(chosen.value) ? chosen.value : keys()[0] ?? null)
  const [back, on] = axis === 'x' ? ['ArrowLeft', 'ArrowRight'] : ['ArrowUp', 'ArrowDown']

  function item(key: string) {
    return {
      'tabindex': key === current.value ? 0 : -1,
      'data-roving': key,
      'onFocus': () => { chosen.value = key },
    }
  }

  async function focus(key: string): Promise<void> {
    chosen.value = key
    reveal?.(keys().indexOf(key))
    await nextTick()
    const all = container.value?.querySelectorAll<HTMLElement>('[data-roving]') ?? []
    ;[...all].find(element => element.dataset.roving === key)?.focus()
  }

  function onKeydown(event: KeyboardEvent): void {
    if (event.altKey || event.ctrlKey || event.metaKey || event.shiftKey || !isItem(event.target)) return
    const all = keys()
    const at = all.indexOf(current.value ?? '')
    const next = { [back!]: at - 1, [on!]: at + 1, Home: 0, End: all.length - 1 }[event.key]
    if (next === undefined) return
    event.preventDefault()
    const key = all[Math.max(0, Math.min(all.length - 1, next))]
    if (key !== undefined) void focus(key)
  }

  return { current, item, focus, onKeydown }
}

/** Keys inside a thing, such as in a field of it, are that field's. */
function isItem(target: EventTarget | null): boolean {
  return target instanceof HTMLElement && target.dataset.roving !== undefined
}
