import type { InjectionKey, Ref } from 'vue'
import type { StatusCounts, TotalsGroup } from '~/api/types'
import type { Period } from '../periods'

/** The period that the counts of a page are of, for the links to the tasks behind them. */
export const PERIOD_OF_COUNTS: InjectionKey<Ref<Period>> = Symbol('period of counts')

/** How the tasks of each worker or queue ended in a period. What was not counted is null, never 0. */
export interface Figures {
  of: (key: string) => StatusCounts | null
  groupOf: (key: string) => TotalsGroup | null
  sum: StatusCounts | null
}

export const NO_FIGURES: Figures = { of: () => null, groupOf: () => null, sum: null }

const NOTHING: StatusCounts = { pending: 0, received: 0, started: 0, success: 0, failure: 0, retry: 0, revoked: 0, rejected: 0, orphaned: 0 }
const STATUSES = Object.keys(NOTHING) as (keyof StatusCounts)[]

/** `complete`: every group is among them, so what has none had no task. */
export function figuresOf(groups: readonly TotalsGroup[], complete: boolean): Figures {
  const byKey = new Map(groups.flatMap(group => group.key === null ? [] : [[group.key, group] as const]))
  const of = (key: string) => {
    const group = byKey.get(key)
    return group ? countsOf(group) : complete ? NOTHING : null
  }
  return { of, groupOf: key => byKey.get(key) ?? null, sum: complete ? sumOf([...byKey.values()].map(countsOf)) : null }
}

/** Of what has ended, the number of tasks, which is that of the list behind the figure; of the rest, the number of events. */
export function countsOf(group: TotalsGroup): StatusCounts {
  return { ...group.counts, ...group.tasks }
}

export function sumOf(all: readonly (StatusCounts | null)[]): StatusCounts | null {
  const sum = { ...NOTHING }
  for (const counts of all) {
    if (counts === null) return null
    for (const status of STATUSES) sum[status] += counts[status]
  }
  return sum
}

/** The share of failures among the tasks that succeeded or failed; null when there was none. */
export function failureShare(counts: StatusCounts | null): number | null {
  const ended = counts ? counts.success + counts.failure : 0
  return counts && ended > 0 ? counts.failure / ended : null
}

const FEW = 3
/** Two standard deviations. */
const Z = 1.96
const TIMES = 1.5
const MORE = 0.01

/**
 * Whether somebody fails more than the others do, and more than by chance: even the low end of what its failures say is
 * half as much again as the share of all others.
 */
export function failsMore(counts: StatusCounts | null, sum: StatusCounts | null): boolean {
  if (!counts || !sum || counts.failure < FEW) return false
  const others = failureShare({ ...NOTHING, success: sum.success - counts.success, failure: sum.failure - counts.failure }) ?? 0
  return lowestShare(counts.failure, counts.success + counts.failure) > others * TIMES + MORE
}

/** The low end of Wilson's interval for `part` of `whole`. */
function lowestShare(part: number, whole: number): number {
  const share = part / whole
  const z = Z * Z / whole
  return (share + z / 2 - Z * Math.sqrt(share * (1 - share) / whole + z / 4 / whole)) / (1 + z)
}
