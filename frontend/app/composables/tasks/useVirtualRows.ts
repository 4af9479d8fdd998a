import { computed, onBeforeUnmount, onMounted, ref, watch, type Ref } from 'vue'

/** Rows drawn above and below what is on screen. */
const MARGIN = 12
/** Browsers draw nothing that is taller than some 17 million pixels: then the rows above are left out of the height. */
const TALLEST = 12_000_000
const STEP_ROWS = 50_000
/** More than what stands above the rows. */
const HEAD = 100

/** Which rows of equal height, which may depend on the width, are on screen. Number `base` is the first that has a place in the scrolled element. */
export function useVirtualRows(scroller: Ref<HTMLElement | null>, count: () => number, heightFor: (width: number) => number) {
  const top = ref(0)
  const viewport = ref(600)
  const width = ref(0)
  const base = ref(0)
  let observer: ResizeObserver | null = null

  const rowHeight = computed(() => heightFor(width.value))
  const height = () => rowHeight.value
  const begin = computed(() => Math.max(base.value, base.value + Math.floor(top.value / height()) - MARGIN))
  const end = computed(() => Math.min(count(), base.value + Math.ceil((top.value + viewport.value) / height()) + MARGIN))
  const total = computed(() => Math.max(0, count() - base.value) * height())
  const isAtTop = computed(() => base.value === 0 && top.value < 4)

  function read(): void {
    const el = scroller.value
    if (!el) return
    top.value = el.scrollTop
    if (total.value > TALLEST && top.value > STEP_ROWS * height()) shift(STEP_ROWS)
    else if (base.value > 0 && top.value < 1000 * height()) shift(-Math.min(base.value, STEP_ROWS))
  }

  function shift(rows: number): void {
    base.value += rows
    scrollTo(top.value - rows * height())
  }

  function scrollTo(pixels: number): void {
    if (scroller.value) scroller.value.scrollTop = pixels
    top.value = Math.max(0, pixels)
  }

  /** Scrolls no further than it must to show row `index` whole. */
  function reveal(index: number): void {
    const at = (index - base.value) * height()
    if (at < top.value) scrollTo(at)
    else if (at + height() > top.value + viewport.value) scrollTo(at + height() - viewport.value)
  }

  function toTop(): void {
    base.value = 0
    scrollTo(0)
  }

  /** At once: the browser would glide through thousands of rows that nobody has asked for. */
  function toEnd(): void {
    scrollTo(Math.max(0, total.value - viewport.value + HEAD))
    read()
  }

  onMounted(() => {
    observer = new ResizeObserver(() => {
      viewport.value = scroller.value?.clientHeight ?? 600
      width.value = scroller.value?.clientWidth ?? 0
    })
    if (scroller.value) observer.observe(scroller.value)
  })
  onBeforeUnmount(() => observer?.disconnect())
  // The same row stays on top when all change their height.
  watch(height, (now, before) => scrollTo((top.value / before) * now))

  return { begin, end, total, base, isAtTop, rowHeight, read, reveal, toTop, toEnd }
}
