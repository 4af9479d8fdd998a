import type { TaskStatus } from '~/api/types'
import { computed } from 'vue'
import { LIST_KEYS, type ListKey, type TaskFilter } from '~/lib/tasks/filters'
import { FIELD_LABEL } from '~/lib/tasks/suggest'
import { t } from '~/texts'

export interface Chip {
  key: string
  label: string
  text: string
  /** Of a value in a list; otherwise `reset` is what takes it away. */
  field?: ListKey
  value: string
  reset?: Partial<TaskFilter>
}

/** The filter as chips, each of which can be taken away. */
export function useFilterChips(filter: () => TaskFilter) {
  const { clock } = useClock()
  return computed<Chip[]>(() => {
    const f = filter()
    const chips: Chip[] = LIST_KEYS.flatMap(field => (f[field] as string[]).map(value => ({
      key: `${field} ${value}`, label: FIELD_LABEL[field], field, value, text: field === 'status' ? t.status.label[value as TaskStatus] : value,
    })))
    if (f.last) chips.push({ key: 'last', label: 'last', value: f.last, text: f.last, reset: { last: '' } })
    if (f.from) chips.push({ key: 'from', label: 'from', value: f.from, text: clock(f.from), reset: { from: '' } })
    if (f.to) chips.push({ key: 'to', label: 'to', value: f.to, text: clock(f.to), reset: { to: '' } })
    if (f.q) chips.push({ key: 'q', label: 'text', value: f.q, text: f.q, reset: { q: '' } })
    return chips
  })
}
