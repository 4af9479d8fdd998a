import type { Task, TaskQuery, TaskStatus } from '~/api/types'
import { parsePeriod, periodToRest } from '../periods'
import { hasEnded, isStatus } from '../status'
import { SORT_OF_REST, sortOf, type Sort } from './sorts'

export { parsePeriod } from '../periods'

/** What the task list is limited to. The same keys stand in the page's URL, in REST and in the WebSocket's filter. */
export interface TaskFilter {
  status: TaskStatus[]
  name: string[]
  worker: string[]
  queue: string[]
  source: string[]
  q: string
  from: string
  to: string
  /** A period that ends now, such as 15m, 1h, 7d; stands in the place of from and to. */
  last: string
  /** What the period bounds: the time of the first event, or of the end. */
  time: TimeAxis
  /** Only tasks that were marked as resolved, or only the others. */
  resolved: '' | 'true' | 'false'
  sort: Sort
}

export type TimeAxis = 'seen' | 'ended'

export const LIST_KEYS = ['status', 'name', 'worker', 'queue', 'source'] as const
export type ListKey = (typeof LIST_KEYS)[number]

/** As the gateway allows: see maxItems and maxLength in gateway/openapi.json. */
const MAX_VALUES = 100
const MAX_LENGTH = 1024

type UrlValue = string | null | (string | null)[] | undefined
export type UrlQuery = Record<string, UrlValue>

export function emptyFilter(): TaskFilter {
  return { status: [], name: [], worker: [], queue: [], source: [], q: '', from: '', to: '', last: '', time: 'seen', resolved: '', sort: 'newest' }
}

/** Reads a URL's query; whatever makes no sense in it is dropped. */
export function filterFromUrl(query: UrlQuery): TaskFilter {
  const filter = emptyFilter()
  filter.status = texts(query.status).filter(isStatus)
  for (const key of ['name', 'worker', 'queue', 'source'] as const) filter[key] = texts(query[key])
  filter.q = (texts(query.q)[0] ?? '').trim()
  filter.last = texts(query.last).find(text => parsePeriod(text) !== null) ?? ''
  if (!filter.last) {
    filter.from = texts(query.from).find(isTime) ?? ''
    filter.to = texts(query.to).find(isTime) ?? ''
  }
  filter.time = texts(query.time)[0] === 'ended' ? 'ended' : 'seen'
  filter.resolved = texts(query.resolved).find(text => text === 'true' || text === 'false') as 'true' | 'false' | undefined ?? ''
  filter.sort = sortOf(texts(query.sort)[0])
  return filter
}

/** The query of the page's URL: only what differs from the empty filter. */
export function filterToUrl(filter: TaskFilter): Record<string, string | string[]> {
  const query: Record<string, string | string[]> = {}
  for (const key of LIST_KEYS) if (filter[key].length) query[key] = [...filter[key]]
  for (const key of ['q', 'last', 'from', 'to'] as const) if (filter[key]) query[key] = filter[key]
  if (filter.time === 'ended') query.time = 'ended'
  if (filter.resolved) query.resolved = filter.resolved
  if (filter.sort !== 'newest') query.sort = filter.sort
  return query
}

/** Parameters of GET /api/v1/tasks. */
export function filterToRest(filter: TaskFilter, now: number): TaskQuery {
  const { resolved, ...query }: LiveFilter & { sort?: string } = filterToLive(filter, now)
  if (filter.sort !== 'newest') query.sort = SORT_OF_REST[filter.sort]
  return { ...query, ...(resolved === undefined ? {} : { resolved: String(resolved) }) } as TaskQuery
}

export type LiveFilter = Pick<TaskQuery, ListKey | 'q' | 'from' | 'to'> & { time?: 'ended', resolved?: boolean }

/** The filter of a WebSocket subscription. */
export function filterToLive(filter: TaskFilter, now: number): LiveFilter {
  const query: LiveFilter = {}
  if (filter.status.length) query.status = [...filter.status]
  for (const key of ['name', 'worker', 'queue', 'source'] as const) if (filter[key].length) query[key] = [...filter[key]]
  if (filter.q) query.q = filter.q
  // In whole minutes, as figures are; the end of "last" is open, for what is yet to come.
  const { from, to } = periodToRest(filter, now)
  if (from) query.from = from
  if (to && !filter.last) query.to = to
  if (filter.time === 'ended') query.time = 'ended'
  if (filter.resolved) query.resolved = filter.resolved === 'true'
  return query
}

/** Whether a task still belongs in the list. Text and time are the gateway's to judge: it sends only what matches them. */
export function matches(task: Task, filter: TaskFilter): boolean {
  return has(filter.status, task.status)
    && has(filter.name, task.name)
    && has(filter.worker, task.worker_id)
    && has(filter.queue, task.queue)
    && has(filter.source, task.source)
    && (filter.resolved === '' || (task.resolved_at !== null) === (filter.resolved === 'true'))
    && (filter.time === 'seen' || hasEnded(task.status))
}

export function isFiltered(filter: TaskFilter): boolean {
  return LIST_KEYS.some(key => filter[key].length > 0) || Boolean(filter.q || filter.from || filter.to || filter.last || filter.resolved) || filter.time === 'ended'
}

function has<T>(allowed: readonly T[], value: T | null): boolean {
  return allowed.length === 0 || (value !== null && allowed.includes(value))
}

function isTime(text: string): boolean {
  return /^\d{4}-\d{2}-\d{2}T/.test(text) && !Number.isNaN(Date.parse(text))
}

function texts(value: UrlValue): string[] {
  const list = Array.isArray(value) ? value : [value]
  const kept = list.filter((text): text is string => typeof text === 'string' && text !== '' && text.length <= MAX_LENGTH)
  return [...new Set(kept)].slice(0, MAX_VALUES)
}
