import type { Task } from '~/api/types'
import { parseTime } from '../format'

/** Tells tasks of several sources apart. */
export function taskKey(task: Pick<Task, 'source' | 'id'>): string {
  let key = keyOf.get(task)
  if (key === undefined) keyOf.set(task, key = `${task.source}\u0000${task.id}`)
  return key
}

/** Lists of thousands are gone through many times a second: each key is made once. */
const keyOf = new WeakMap<Pick<Task, 'source' | 'id'>, string>()

/**
 * The time at which a task came to be known: the earliest of its own times. The gateway's order is that of arrival,
 * which it does not tell; between rows of one page the two agree but for clock skew.
 */
export function firstSeen(task: Task): number {
  let seen = seenAt.get(task)
  if (seen === undefined) seenAt.set(task, seen = earliestTime(task))
  return seen
}

/** Tasks are never changed, only replaced; so what was read from one once stays true. */
const seenAt = new WeakMap<Task, number>()

function earliestTime(task: Task): number {
  let earliest = Infinity
  for (const at of [task.sent_at, task.received_at, task.started_at, task.completed_at, task.updated_at]) {
    const ms = parseTime(at)
    if (ms !== null && ms < earliest) earliest = ms
  }
  return earliest === Infinity ? 0 : earliest
}

/** Rows that were seen about the same time arrive in any order, but not over more rows than this. */
const DISORDER = 100

/**
 * When each of the rows from `begin` to `end` was first seen. A list in the order of arrival has in it events of several
 * clocks and paths; what arrived later was seen no earlier than anything that arrived before it, and is shown so.
 */
export function seenTimes(rows: readonly Task[], begin: number, end: number, sort: string): number[] {
  const times = rows.slice(begin, end).map(firstSeen)
  if (sort !== 'newest' && sort !== 'oldest') return times
  let latest = 0
  if (sort === 'newest') {
    for (let i = Math.min(rows.length, end + DISORDER) - 1; i >= begin; i--) {
      latest = Math.max(latest, firstSeen(rows[i]!))
      if (i < end) times[i - begin] = latest
    }
  } else {
    for (let i = Math.max(0, begin - DISORDER); i < Math.min(rows.length, end); i++) {
      latest = Math.max(latest, firstSeen(rows[i]!))
      if (i >= begin) times[i - begin] = latest
    }
  }
  return times
}

/** Whether `next` is at least as new as what is shown; frames and answers of REST can overtake one another. */
export function isNewer(shown: Task, next: Task): boolean {
  return (parseTime(next.updated_at) ?? 0) >= (parseTime(shown.updated_at) ?? 0)
}

/**
 * Puts `tasks` into `rows` (newest first, no key twice) and cuts the end at `limit`. Returns a new array. Rows that are
 * there keep their place; others go where their time says, or, when they have only just been created, on top.
 */
export function mergeRows(rows: readonly Task[], tasks: readonly Task[], limit: number, created = false): Task[] {
  const arriving = new Map(tasks.map(task => [taskKey(task), task]))
  const merged = rows.map((row) => {
    const next = arriving.get(taskKey(row))
    if (!next) return row
    arriving.delete(taskKey(row))
    if (!isNewer(row, next)) return row
    // Frames tell links to retries only when they are new.
    return row.retried_as && !next.retried_as ? { ...next, retried_as: row.retried_as } : next
  })
  const fresh = [...arriving.values()].sort((a, b) => firstSeen(b) - firstSeen(a))
  if (created) merged.unshift(...fresh)
  else for (const task of fresh) merged.splice(placeOf(merged, firstSeen(task)), 0, task)
  return merged.length > limit ? merged.slice(0, limit) : merged
}

/** New rows nearly always belong on top, so look from there. */
function placeOf(rows: readonly Task[], seen: number): number {
  let i = 0
  while (i < rows.length && firstSeen(rows[i]!) > seen) i++
  return i
}
