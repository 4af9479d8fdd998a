import uPlot from 'uplot'
import { onBeforeUnmount, onMounted, watch, type Ref } from 'vue'

/** The value of a colour of main.css. */
export function colour(name: string): string {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim()
}

/**
 * Keeps a uPlot chart in `host`: made anew when the theme or `shape` changes, as wide as its host, and given new data
 * without being rebuilt.
 */
export function useChart(
  host: Ref<HTMLElement | null>,
  options: () => Omit<uPlot.Options, 'width' | 'height'>,
  data: () => uPlot.AlignedData,
  shape: () => unknown = () => null,
) {
  const { dark } = useTheme()
  const preferences = usePreferencesStore()
  let chart: uPlot | null = null
  let observer: ResizeObserver | null = null

  function size() {
    return { width: host.value?.clientWidth || 300, height: host.value?.clientHeight || 200 }
  }

  function build(): void {
    chart?.destroy()
    chart = host.value ? new uPlot({ ...options(), ...size() }, data(), host.value) : null
  }

  onMounted(() => {
    build()
    observer = new ResizeObserver(() => chart?.setSize(size()))
    if (host.value) observer.observe(host.value)
  })
  watch([dark, shape, () => preferences.utc], build)
  watch(data, next => chart?.setData(next))
  onBeforeUnmount(() => {
    observer?.disconnect()
    chart?.destroy()
    chart = null
  })
  return { chart: () => chart }
}

/** Axes as all charts have them. */
export function axisOf(part: Partial<uPlot.Axis>): uPlot.Axis {
  return {
    stroke: colour('ink-3'),
    font: '11px "Plex Sans", system-ui, sans-serif',
    grid: { stroke: colour('line'), width: 1 },
    ticks: { show: false },
    ...part,
  }
}
