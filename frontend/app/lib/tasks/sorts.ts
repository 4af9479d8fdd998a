/** Orders of the task list. Pure. */

export type Sort = 'newest' | 'oldest' | 'ended' | 'slowest' | 'wait' | 'retries'

export const SORTS: readonly Sort[] = ['newest', 'oldest', 'ended', 'slowest', 'wait', 'retries']

/** As GET /api/v1/tasks has them. */
export const SORT_OF_REST: Record<Sort, string> = {
  newest: '-received_at', oldest: 'received_at', ended: '-ended_at', slowest: '-runtime', wait: '-queue_wait', retries: '-retries',
}

/** The order of a column's heading, and which one another press gives. */
export const SORTS_OF_COLUMN: Partial<Record<string, readonly Sort[]>> = {
  seen: ['newest', 'oldest'], ended: ['ended'], runtime: ['slowest'], waited: ['wait'], retries: ['retries'],
}

/** The column that shows what the list is sorted by. */
export const COLUMN_OF_SORT: Record<Sort, 'seen' | 'ended' | 'runtime' | 'waited' | 'retries'> = {
  newest: 'seen', oldest: 'seen', ended: 'ended', slowest: 'runtime', wait: 'waited', retries: 'retries',
}

export function sortOf(text: string | undefined): Sort {
  return SORTS.find(sort => sort === text) ?? 'newest'
}

/** What a press on a column's heading gives: its first order, then the others, then the usual one. */
export function nextSort(column: string, now: Sort): Sort | null {
  const own = SORTS_OF_COLUMN[column]
  if (!own) return null
  return own[own.indexOf(now) + 1] ?? (own.includes(now) ? 'newest' : own[0]!)
}
