import type { Job, JobItem, TaskStatus } from '~/api/types'
import type { LiveJob } from './live'
import { plural } from './format'

/** Jobs in words, and as parts of a bar. */

export const JOB_VERB: Record<Job['action'], string> = { retry: 'Retry', revoke: 'Revoke', resolve: 'Resolve', unresolve: 'Unresolve' }
export const JOB_STATE: Record<Job['state'], string> = { running: 'running', cancelling: 'cancelling', done: 'finished', cancelled: 'cancelled' }

export const ITEM_STATES = ['done', 'refused', 'failed', 'uncertain', 'begun', 'waiting', 'cancelled'] as const
export type ItemState = JobItem['state']

export const ITEM_LABEL: Record<ItemState, string> = {
  done: 'Done', refused: 'Refused', failed: 'Failed', uncertain: 'Unknown', begun: 'In progress', waiting: 'Waiting', cancelled: 'Cancelled',
}
/** Its colour is that of the status which means the same of a task. */
export const ITEM_COLOUR: Record<ItemState, TaskStatus> = {
  done: 'success', refused: 'rejected', failed: 'failure', uncertain: 'orphaned', begun: 'started', waiting: 'pending', cancelled: 'revoked',
}

export function titleOfJob(job: Pick<LiveJob, 'action' | 'total'>): string {
  return `${JOB_VERB[job.action]} ${plural(job.total, 'task')}`
}

export function isUnderWay(job: Pick<LiveJob, 'state'>): boolean {
  return job.state === 'running' || job.state === 'cancelling'
}

/** Of how many it is settled what became of them. */
export function settledOf(job: LiveJob): number {
  return job.total - job.waiting - job.begun
}

export interface JobPart { state: ItemState, n: number, share: number }

export function partsOf(job: LiveJob): JobPart[] {
  return ITEM_STATES.filter(state => job[state] > 0).map(state => ({ state, n: job[state], share: job[state] / Math.max(1, job.total) }))
}
