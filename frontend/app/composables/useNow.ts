import { computed, onScopeDispose, readonly, ref, toValue, type MaybeRefOrGetter, type Ref } from 'vue'

const wall = ref(Date.now())
let users = 0
let timer: ReturnType<typeof setInterval> | undefined

/** The viewer's clock, in milliseconds, ticking once a second for everybody: for "5 min ago" and what is today. */
export function useWallClock(): Readonly<Ref<number>> {
  wall.value = Date.now()
  if (users++ === 0) timer = setInterval(() => { wall.value = Date.now() }, 1000)
  onScopeDispose(() => { if (--users === 0) clearInterval(timer) })
  return readonly(wall)
}

/**
 * The clock of what is shown, for durations that still run: it stands still while nothing new comes, from Kanchi at
 * all or, with a source, from its broker.
 */
export function useNow(source?: MaybeRefOrGetter<string | null | undefined>): Readonly<Ref<number>> {
  const clock = useWallClock()
  const freshness = useFreshnessStore()
  return computed(() => {
    const of = toValue(source)
    const until = of ? freshness.asOfSource(of) : freshness.asOf
    return until ? Math.min(clock.value, until) : clock.value
  })
}
