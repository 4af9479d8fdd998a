import { computed } from 'vue'
import type { Area, Line } from '~/lib/verdict'

/** How many things each section has to look at: the lines of the verdict, by where they are. */
export function useAttention() {
  const store = useVerdictStore()
  const count = (areas: readonly Area[], severities: readonly Line['severity'][]) => store.verdict.lines
    .filter(line => areas.includes(line.area) && severities.includes(line.severity)).reduce((sum, line) => sum + (line.area === 'kanchi' || line.area === 'broker' ? 1 : line.count), 0)
  return computed(() => ({
    system: count(['kanchi', 'broker'], ['error']),
    queues: count(['queue'], ['error', 'warning']),
    workers: count(['worker'], ['error', 'warning']),
  }))
}
