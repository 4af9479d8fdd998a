import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { goodUntil, staleOf, steady, type Stale } from '~/lib/freshness'
import { useLiveStore } from './live'
import { useMetricsStore } from './metrics'
import { useSystemStore } from './system'

const LOOK_MS = 500

/** Whether what the page shows is true now, and if not, up to when it was. Looked at twice a second. */
export const useFreshnessStore = defineStore('freshness', () => {
  const openedAt = Date.now()
  const stale = shallowRef<readonly Stale[]>([])
  const browserOnline = ref(true)
  /** The state of Kanchi has been loaded, and looked at. */
  const ready = ref(false)
  let connectedAt: number | null = null
  let timer: ReturnType<typeof setInterval> | undefined

  const sources = computed(() => Object.keys(useSystemStore().system?.ingestion ?? {}))
  /** Up to when the data is good; null while it is live, 0 when nothing has been loaded. */
  const asOf = computed(() => goodUntil(stale.value, sources.value))
  /** The same for the live figures, which aggregation computes. */
  const figuresAsOf = computed(() => asOf.value ?? stale.value.map(one => one.cause === 'aggregation' ? one.since ?? 0 : null).find(at => at !== null) ?? null)
  /** Brokers that can't be heard: whether their workers are there is unknown. */
  const silentSources = computed(() => new Set(stale.value.filter(one => one.source !== null).map(one => one.source!)))

  function look(now = Date.now()): void {
    const live = useLiveStore()
    const system = useSystemStore()
    connectedAt = live.isLive ? connectedAt ?? now : null
    const next = staleOf({
      now, openedAt, browserOnline: browserOnline.value, connectedAt, heardAt: live.lastHeard(), feed: live.feedConnected,
      system: system.system, systemAt: system.heardAt, storageSince: system.storageSince, metricsAt: useMetricsStore().heardAt, skew: system.skew,
    })
    const isBack = stale.value.some(one => one.cause === 'storage') && next.every(one => !['offline', 'gateway', 'storage'].includes(one.cause))
    stale.value = steady(next, stale.value)
    ready.value = system.system !== null
    if (isBack) live.reloadAll()
  }

  function onNetwork(): void {
    browserOnline.value = navigator.onLine
    look()
  }

  function start(): void {
    if (timer) return
    onNetwork()
    window.addEventListener('online', onNetwork)
    window.addEventListener('offline', onNetwork)
    timer = setInterval(() => look(), LOOK_MS)
  }

  function stop(): void {
    clearInterval(timer)
    timer = undefined
    window.removeEventListener('online', onNetwork)
    window.removeEventListener('offline', onNetwork)
  }

  const asOfSource = (source: string) => goodUntil(stale.value, sources.value, source)

  return { stale, ready, browserOnline, asOf, figuresAsOf, silentSources, asOfSource, look, start, stop }
})
