import { LIST_KEYS, type ListKey, type TaskFilter } from './filters'
import { STATUSES } from '../status'
import { t } from '~/texts'

/** What the filter's field offers for what has been typed so far. Pure. */

export interface Suggestion {
  key: string
  kind: 'field' | 'value' | 'text' | 'period'
  field?: ListKey
  /** What is added to the filter, or put into the field. */
  value: string
  label: string
  detail?: string
}

export const FIELD_LABEL: Record<ListKey, string> = { status: 'status', name: 'task', worker: 'worker', queue: 'queue', source: 'source' }
const FIELD_HELP: Record<ListKey, string> = {
  status: 'task state', name: 'task name', worker: 'worker that ran it', queue: 'queue it was sent to', source: 'broker',
}
const PERIODS: readonly [string, string][] = [['15m', 'the last 15 minutes'], ['1h', 'the last hour'], ['6h', 'the last 6 hours'], ['24h', 'the last 24 hours'], ['7d', 'the last 7 days']]
const SHOWN_OF_ONE = 12
const SHOWN_OF_EACH = 4

export type Known = Record<Exclude<ListKey, 'status'>, readonly string[]>

/** The field of "worker:ab" and what stands behind it. */
export function parseTyped(typed: string): { field: ListKey | 'time' | null, rest: string } {
  const parts = /^\s*([a-z]+):(.*)$/i.exec(typed)
  const word = parts?.[1]?.toLowerCase()
  const field = word === 'time' || word === 'last' ? 'time' : LIST_KEYS.find(key => key === word || FIELD_LABEL[key] === word) ?? null
  return field && parts ? { field, rest: parts[2]!.trim() } : { field: null, rest: typed.trim() }
}

export function suggestionsFor(typed: string, known: Known, filter: TaskFilter): Suggestion[] {
  const { field, rest } = parseTyped(typed)
  if (field === 'time') return periods(rest)
  if (field) return valuesOf(field, rest, known, filter, SHOWN_OF_ONE, true)
  if (!rest) return fields(known)
  return [
    { key: 'text', kind: 'text', value: rest, label: `“${rest}”`, detail: 'Search ID, name, arguments, result, error' },
    ...fields(known).filter(suggestion => suggestion.label.startsWith(rest.toLowerCase())),
    ...LIST_KEYS.flatMap(key => valuesOf(key, rest, known, filter, SHOWN_OF_EACH, false)),
  ]
}

function fields(known: Known): Suggestion[] {
  const shown = LIST_KEYS.filter(key => key !== 'source' || known.source.length > 1)
  return [
    ...shown.map(key => ({ key: `field ${key}`, kind: 'field' as const, field: key, value: `${FIELD_LABEL[key]}:`, label: `${FIELD_LABEL[key]}:`, detail: FIELD_HELP[key] })),
    { key: 'field time', kind: 'field', value: 'time:', label: 'time:', detail: 'first seen' },
  ]
}

function periods(rest: string): Suggestion[] {
  return PERIODS.filter(([period, label]) => period.startsWith(rest) || label.includes(rest))
    .map(([period, label]) => ({ key: `period ${period}`, kind: 'period', value: period, label, detail: period }))
}

function valuesOf(field: ListKey, rest: string, known: Known, filter: TaskFilter, most: number, typedCounts: boolean): Suggestion[] {
  const wanted = rest.toLowerCase()
  const chosen = new Set<string>(filter[field])
  const all = field === 'status' ? STATUSES.map(status => ({ value: status as string, label: t.status.label[status] })) : known[field].map(value => ({ value, label: value }))
  const found = all
    .filter(({ value, label }) => !chosen.has(value) && (value.toLowerCase().includes(wanted) || label.toLowerCase().includes(wanted)))
    .slice(0, most)
    .map(({ value, label }) => ({ key: `${field} ${value}`, kind: 'value' as const, field, value, label, detail: FIELD_LABEL[field] }))
  // A value that nobody knows yet may still be meant: a worker that is to come.
  if (typedCounts && rest && field !== 'status' && !all.some(({ value }) => value === rest)) {
    found.push({ key: `${field} ${rest}`, kind: 'value', field, value: rest, label: rest, detail: 'exact match' })
  }
  return found
}
