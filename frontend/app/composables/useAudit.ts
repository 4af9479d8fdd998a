import { computed, ref, shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { AuditEntry, AuditQuery } from '~/api/types'
import { auditFilterToRest, type AuditFilter } from '~/lib/audit'
import type { PeriodRange } from '~/lib/periods'

/** Entries that the page holds at most. */
export const MOST_ENTRIES = 1000
const PAGE = 50
const POLL_MS = 10_000

/** What people did, newest first; asked for again by itself while only the newest are shown. */
export function useAudit(filter: Ref<AuditFilter>, range: Ref<PeriodRange>) {
  const entries = shallowRef<AuditEntry[]>([])
  const cursor = ref<string | null>(null)
  const loaded = ref(false)
  const failure = shallowRef<Failure | null>(null)

  const key = computed(() => JSON.stringify({
    ...auditFilterToRest(filter.value),
    ...(range.value.from === null ? {} : { from: new Date(range.value.from).toISOString() }),
    ...(range.value.to === null ? {} : { to: new Date(range.value.to).toISOString() }),
  }))
  const wanted = computed(() => JSON.parse(key.value) as AuditQuery)

  async function load(): Promise<void> {
    await fetchPage(null)
  }

  async function loadMore(): Promise<void> {
    if (cursor.value) await fetchPage(cursor.value)
  }

  async function fetchPage(from: string | null): Promise<void> {
    const asked = wanted.value
    const answer = await outcome(api.GET('/api/v1/audit', { params: { query: { limit: PAGE, ...asked, ...(from ? { cursor: from } : {}) } } }))
    if (!answer || asked !== wanted.value) return
    if ('failure' in answer) { failure.value = answer.failure; return }
    failure.value = null
    entries.value = from ? [...entries.value, ...answer.data.items] : answer.data.items
    cursor.value = entries.value.length < MOST_ENTRIES ? answer.data.next_cursor : null
    loaded.value = true
  }

  watch(wanted, () => void load())
  watch(() => useActionsStore().finished, () => void load())
  usePoll(() => { if (entries.value.length <= PAGE) void load() }, POLL_MS)
  return { entries, cursor, loaded, failure, load, loadMore }
}
