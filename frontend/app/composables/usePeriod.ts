import { computed } from 'vue'
import { absolutePeriod, frozenPeriod, lastPeriod, periodFromUrl, periodLabel, periodToUrl, resolvePeriod, type Period, type Zone } from '~/lib/periods'
import { locale } from '~/texts'

/**
 * The period of this page, as its URL has it; `fallback` ("1h", "all") is the page's default. `range` changes once a
 * minute at most, so it may be watched to load figures again.
 */
export function usePeriod(fallback: string) {
  const route = useRoute()
  const router = useRouter()
  const now = useNow()
  const zone = useZone()
  const minute = computed(() => Math.floor(now.value / 60_000) * 60_000)
  const key = computed(() => JSON.stringify(periodFromUrl(route.query, fallback)))
  const period = computed<Period>(() => JSON.parse(key.value) as Period)
  const range = computed(() => resolvePeriod(period.value, minute.value))
  const label = computed(() => periodLabel(period.value, minute.value, zone.value))
  const queryFor = (next: Period) => ({ ...route.query, ...periodToUrl(next, fallback) })
  const set = (next: Period) => router.replace({ path: route.path, query: queryFor(next) })
  return {
    period, range, label, set,
    setLast: (last: string) => set(lastPeriod(last)),
    setRange: (from: number | null, to: number | null) => set(absolutePeriod(from, to)),
    /** The address of this page with fixed ends: it shows others the same. */
    frozenLink: () => new URL(router.resolve({ path: route.path, query: queryFor(frozenPeriod(period.value, Date.now())) }).href, window.location.origin).href,
  }
}

/** How this viewer reads and writes times. */
export function useZone() {
  const preferences = usePreferencesStore()
  return computed<Zone>(() => ({ locale: locale.value, utc: preferences.utc }))
}
