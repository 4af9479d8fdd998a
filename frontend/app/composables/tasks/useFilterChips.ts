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
  const { label } = usePeriod('all')
  return computed<Chip[]>(() => {
    const f = filter()
    const chips: Chip[] = LIST_KEYS.flatMap(field => (f[field] as string[]).map(value => ({
      key: `${field} ${value}`, label: FIELD_LABEL[field], field, value, text: field === 'status' ? t.status.label[value as TaskStatus] : value,
    })))
    const axis = t.tasks.axis[f.time]
    if (f.last || f.from || f.to) chips.push({ key: 'period', label: axis, value: f.last, text: label.value, reset: { last: '', from: '', to: '' } })
    else if (f.time === 'ended') chips.push({ key: 'time', label: '', value: f.time, text: axis, reset: { time: 'seen' } })
    if (f.resolved) chips.push({ key: 'resolved', label: '', value: f.resolved, text: t.tasks.resolvedIs[f.resolved], reset: { resolved: '' } })
    if (f.q) chips.push({ key: 'q', label: t.tasks.chipText, value: f.q, text: f.q, reset: { q: '' } })
    return chips
  })
}
