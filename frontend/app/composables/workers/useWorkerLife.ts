import { shallowRef, watch, type Ref } from 'vue'
import { api, outcome } from '~/api/client'
import type { Totals, TotalsGroup, WorkerLife } from '~/api/types'
import { periodToRest, type Period } from '~/lib/periods'

const DAY_MS = 86_400_000
const POLL_MS = 30_000

/** One worker: when it was there in the last day, and how its tasks ended in the chosen period, in sum and by name. */
export function useWorkerLife(id: Ref<string>, source: Ref<string | undefined>, chosen: Ref<Period>) {
  const system = useSystemStore()
  const life = shallowRef<WorkerLife | null>(null)
  const totals = shallowRef<TotalsGroup | null>(null)
  const byName = shallowRef<Totals | null>(null)

  async function load(): Promise<void> {
    const wanted = id.value
    const asked = chosen.value
    const now = Date.now() + system.skew
    const period = { from: new Date(now - DAY_MS).toISOString(), to: new Date(now).toISOString() }
    const sums = { ...periodToRest(asked, now), worker: [wanted], ...(source.value ? { source: [source.value] } : {}) }
    const [lived, all, named] = await Promise.all([
      outcome(api.GET('/api/v1/workers/{id}/life', { params: { path: { id: wanted }, query: { ...period, ...(source.value ? { source: source.value } : {}) } } })),
      outcome(api.GET('/api/v1/metrics/totals', { params: { query: sums } })),
      outcome(api.GET('/api/v1/metrics/totals', { params: { query: { ...sums, group_by: 'name', limit: 50 } } })),
    ])
    if (wanted !== id.value || asked !== chosen.value) return
    if (lived && 'data' in lived) life.value = lived.data
    if (all && 'data' in all) totals.value = all.data.groups[0] ?? null
    if (named && 'data' in named) byName.value = named.data
  }

  watch(chosen, () => {
    totals.value = byName.value = null
    void load()
  })
  watch([id, source], () => {
    life.value = totals.value = byName.value = null
    void load()
  })
  usePoll(load, POLL_MS)
  return { life, totals, byName }
}
