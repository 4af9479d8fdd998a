import type { Job, JobItem, TaskStatus } from '~/api/types'
import type { LiveJob } from './live'
import { STATUSES } from './status'
import { t } from '~/texts'

/** Jobs in words, and as parts of a bar. */

export const ITEM_STATES = ['done', 'refused', 'failed', 'uncertain', 'begun', 'waiting', 'cancelled'] as const
export type ItemState = JobItem['state']

/** How the task fares that a retry sent. */
export const NEW_STATUSES = [...STATUSES, 'unseen'] as const
export type NewStatus = (typeof NEW_STATUSES)[number]

/** Its colour is that of the status which means the same of a task. */
export const ITEM_COLOUR: Record<ItemState, TaskStatus> = {
  done: 'success', refused: 'rejected', failed: 'failure', uncertain: 'orphaned', begun: 'started', waiting: 'pending', cancelled: 'revoked',
}

export function titleOfJob(job: Pick<LiveJob, 'action' | 'total'>): string {
  return t.jobs.titleOf[job.action](job.total)
}

export function isUnderWay(job: Pick<LiveJob, 'state'>): boolean {
  return job.state === 'running' || job.state === 'cancelling'
}

/** Of how many it is settled what became of them. */
export function settledOf(job: LiveJob): number {
  return job.total - job.waiting - job.begun
}

/** How the tasks fare that a retry sent: how they ended, and how many have not. */
export interface NewTasks { sent: number, succeeded: number, failed: number, open: number, other: [status: TaskStatus, n: number][] }

const OPEN = ['pending', 'received', 'started', 'retry', 'unseen']
const OTHER = ['revoked', 'rejected', 'orphaned'] as const

export function newTasksOf(job: { new_tasks?: Job['new_tasks'] }): NewTasks | null {
  const counts = job.new_tasks
  if (!counts) return null
  return {
    sent: Object.values(counts).reduce((sum, n) => sum + n, 0),
    succeeded: counts.success ?? 0,
    failed: counts.failure ?? 0,
    open: OPEN.reduce((sum, status) => sum + (counts[status] ?? 0), 0),
    other: OTHER.filter(status => counts[status]).map(status => [status, counts[status]!]),
  }
}

/** "20 sent, 17 succeeded, 3 failed again" */
export function sayNewTasks(job: { new_tasks?: Job['new_tasks'] }): string | null {
  const fare = newTasksOf(job)
  if (!fare || fare.sent === 0) return null
  return [
    t.jobs.sent(fare.sent),
    ...(fare.succeeded ? [t.jobs.succeeded(fare.succeeded)] : []),
    ...(fare.failed ? [t.jobs.failedAgain(fare.failed)] : []),
    ...fare.other.map(([status, n]) => t.jobs.ended(n, t.status.label[status])),
    ...(fare.open ? [t.jobs.open(fare.open)] : []),
  ].join(', ')
}

/** Its request in words: which tasks, and how. */
export function sayRequest(job: Pick<Job, 'action' | 'request' | 'total'>): string[] {
  const request = (job.request ?? {}) as { filter?: Record<string, unknown> | null, ids?: number, options?: Record<string, unknown> | null, again?: boolean }
  const filter = Object.entries(request.filter ?? {}).map(([key, value]) => `${t.jobs.filterKey[key as keyof typeof t.jobs.filterKey] ?? key}: ${sayValue(key, value)}`)
  const options = request.options ?? {}
  return [
    request.filter ? (filter.length ? t.jobs.byFilter(filter.join('; ')) : t.jobs.everything) : t.jobs.bySelection(request.ids ?? job.total),
    ...(typeof options.queue === 'string' ? [t.jobs.toQueue(options.queue)] : []),
    ...(options.terminate ? [t.jobs.terminates(String(options.signal ?? 'SIGTERM'))] : []),
    ...(request.again ? [t.jobs.again] : []),
  ]
}

function sayValue(key: string, value: unknown): string {
  const one = (item: unknown) => key === 'status' && typeof item === 'string' && item in t.status.label ? t.status.label[item as TaskStatus] : String(item)
  if (key === 'resolved') return value ? t.jobs.yes : t.jobs.no
  return Array.isArray(value) ? value.map(one).join(', ') : one(value)
}

export interface JobPart { state: ItemState, n: number, share: number }

export function partsOf(job: LiveJob): JobPart[] {
  return ITEM_STATES.filter(state => job[state] > 0).map(state => ({ state, n: job[state], share: job[state] / Math.max(1, job.total) }))
}
