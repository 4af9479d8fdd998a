import { LIST_KEYS, type ListKey, type TaskFilter } from './filters'
import { PERIOD_CHOICES, periodName, typedPeriod } from '../periods'
import { STATUSES } from '../status'
import { t } from '~/texts'

/** What the filter's field offers for what has been typed so far. Pure. */

export interface Suggestion {
  key: string
  kind: 'field' | 'value' | 'text' | 'period' | 'resolved'
  field?: ListKey
  /** What is added to the filter, or put into the field. */
  value: string
  label: string
  detail?: string
}

/** What is typed before the colon, whatever the language. */
export const FIELD_LABEL: Record<ListKey, string> = { status: 'status', name: 'task', worker: 'worker', queue: 'queue', source: 'source' }
const SHOWN_OF_ONE = 12
const SHOWN_OF_EACH = 4

export type Known = Record<Exclude<ListKey, 'status'>, readonly string[]>

/** The field of "worker:ab" and what stands behind it. */
export function parseTyped(typed: string): { field: ListKey | 'time' | 'resolved' | null, rest: string } {
  const parts = /^\s*([a-z]+):(.*)$/i.exec(typed)
  const word = parts?.[1]?.toLowerCase()
  const field = word === 'time' || word === 'last' ? 'time' : word === 'resolved' ? 'resolved' : LIST_KEYS.find(key => key === word || FIELD_LABEL[key] === word) ?? null
  return field && parts ? { field, rest: parts[2]!.trim() } : { field: null, rest: typed.trim() }
}

export function suggestionsFor(typed: string, known: Known, filter: TaskFilter): Suggestion[] {
  const { field, rest } = parseTyped(typed)
  if (field === 'time') return periods(rest)
  if (field === 'resolved') return resolved(rest)
  if (field) return valuesOf(field, rest, known, filter, SHOWN_OF_ONE, true)
  if (!rest) return fields(known)
  return [
    { key: 'text', kind: 'text', value: rest, label: `“${rest}”`, detail: t.tasks.suggest.text },
    ...fields(known).filter(suggestion => suggestion.label.startsWith(rest.toLowerCase())),
    ...LIST_KEYS.flatMap(key => valuesOf(key, rest, known, filter, SHOWN_OF_EACH, false)),
  ]
}

function fields(known: Known): Suggestion[] {
  const shown = LIST_KEYS.filter(key => key !== 'source' || known.source.length > 1)
  return [
    ...shown.map(key => ({ key: `field ${key}`, kind: 'field' as const, field: key, value: `${FIELD_LABEL[key]}:`, label: `${FIELD_LABEL[key]}:`, detail: t.tasks.suggest.help[key] })),
    { key: 'field time', kind: 'field', value: 'time:', label: 'time:', detail: t.tasks.suggest.time },
    { key: 'field resolved', kind: 'field', value: 'resolved:', label: 'resolved:', detail: t.tasks.suggest.resolved },
  ]
}

function periods(rest: string): Suggestion[] {
  const offer = (period: string): Suggestion => ({ key: `period ${period}`, kind: 'period', value: period, label: t.periods.last(periodName(period)), detail: period })
  const typed = typedPeriod(rest)
  const usual = PERIOD_CHOICES.filter(period => period !== 'all' && period !== typed && period.startsWith(rest))
  return [...(typed ? [typed] : []), ...usual].map(offer)
}

function resolved(rest: string): Suggestion[] {
  const words = t.tasks.resolvedIs
  return ([['true', words.true], ['false', words.false]] as const)
    .filter(([value, label]) => `${value} ${label}`.toLowerCase().includes(rest.toLowerCase()))
    .map(([value, label]) => ({ key: `resolved ${value}`, kind: 'resolved', value, label }))
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
    found.push({ key: `${field} ${rest}`, kind: 'value', field, value: rest, label: rest, detail: t.tasks.suggest.exact })
  }
  return found
}
