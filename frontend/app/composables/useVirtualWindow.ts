import { computed, onBeforeUnmount, onMounted, ref, type Ref } from 'vue'

/** Drawn above and below what is on screen, in pixels. */
const MARGIN = 400

/**
 * Which of many rows of equal height are on screen, for a list that scrolls with its page: `list` is as high as all rows,
 * its nearest scrolling ancestor is what scrolls. `width` is that of the list.
 */
export function useVirtualWindow(list: Ref<HTMLElement | null>, count: () => number, height: () => number) {
  const top = ref(0)
  const viewport = ref(900)
  const width = ref(0)
  let scroller: HTMLElement | null = null
  let observer: ResizeObserver | null = null
  let waiting = 0

  const begin = computed(() => Math.max(0, Math.min(count(), Math.floor((top.value - MARGIN) / height()))))
  const end = computed(() => Math.max(begin.value, Math.min(count(), Math.ceil((top.value + viewport.value + MARGIN) / height()))))

  function read(): void {
    waiting = 0
    if (!list.value || !scroller) return
    top.value = scroller.getBoundingClientRect().top - list.value.getBoundingClientRect().top
    viewport.value = scroller.clientHeight
    width.value = list.value.clientWidth
  }

  function soon(): void {
    waiting ||= requestAnimationFrame(read)
  }

  /** Scrolls no further than it must to show row `index` whole, below what sticks to the top. */
  function reveal(index: number, sticky: number): void {
    if (!scroller) return
    read()
    const at = index * height()
    if (at < top.value + sticky) scroller.scrollTop += at - top.value - sticky
    else if (at + height() > top.value + viewport.value) scroller.scrollTop += at + height() - top.value - viewport.value
    read()
  }

  onMounted(() => {
    scroller = scrollerOf(list.value)
    observer = new ResizeObserver(soon)
    // What stands above the list moves it, too.
    for (const element of [scroller, list.value, list.value?.parentElement, scroller?.firstElementChild]) if (element) observer.observe(element)
    scroller?.addEventListener('scroll', soon, { passive: true })
    read()
  })
  onBeforeUnmount(() => {
    observer?.disconnect()
    scroller?.removeEventListener('scroll', soon)
    cancelAnimationFrame(waiting)
  })

  return { begin, end, width, reveal }
}

function scrollerOf(element: HTMLElement | null): HTMLElement | null {
  for (let at = element?.parentElement; at; at = at.parentElement) {
    if (/auto|scroll/.test(getComputedStyle(at).overflowY)) return at
  }
  return document.documentElement
}
