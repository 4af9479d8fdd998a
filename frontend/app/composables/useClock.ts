import { formatClock, formatUtc } from '~/lib/format'
import { clockText } from '~/lib/localTime'

/** Times in the zone that the viewer has chosen. */
export function useClock() {
  const preferences = usePreferencesStore()
  const now = useNow()
  return {
    now,
    clock: (at: string | null | undefined, fraction = false) => formatClock(at, now.value, fraction, preferences.utc),
    /** For a tooltip: the other zone. */
    other: (at: string | null | undefined) => preferences.utc ? formatClock(at, 0, true) : formatUtc(at),
    /** For an axis. */
    axis: (second: number, withSeconds = false) => clockText(second, withSeconds, preferences.utc),
    day: (second: number) => {
      const d = new Date(second * 1000)
      return preferences.utc ? t.format.date(d.getUTCDate(), t.format.months[d.getUTCMonth()]!, null) : t.format.date(d.getDate(), t.format.months[d.getMonth()]!, null)
    },
  }
}
