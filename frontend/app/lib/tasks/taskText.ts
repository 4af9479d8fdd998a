import type { Task } from '~/api/types'
import { parseTime } from '../format'
import { hasRestarted, lastSignOf, type WorkerSeen } from './standing'
import { t } from '~/texts'

/** What the task was called with, on one line, as the events tell it: (1042, 'EUR', amount=19.9). */
export function callText(task: Pick<Task, 'args_repr' | 'kwargs_repr' | 'id'>): string {
  const args = (task.args_repr ?? '').trim()
  const kwargs = (task.kwargs_repr ?? '').trim()
  const empty = (text: string) => text === '' || text === '()' || text === '[]' || text === '{}'
  if (empty(args) && empty(kwargs)) return args || kwargs ? '()' : task.id
  if (empty(kwargs)) return args
  if (empty(args)) return `**${kwargs}`
  return `${args} ${kwargs}`
}

export interface Runtime {
  seconds: number | null
  /** It still runs. */
  open: boolean
  /** Where the figure is from, when not from the worker. */
  note: string | undefined
}

/**
 * What the worker measured; for tasks that did not succeed it says nothing, so then the time between the events. It
 * counts no further than the last sign of the process that ran the task.
 */
export function runtimeOf(task: Pick<Task, 'runtime' | 'status' | 'status_from' | 'started_at' | 'completed_at'>, now: number, worker?: WorkerSeen, frozenAt: number | null = null): Runtime {
  const words = t.task.runtime
  const closed = (seconds: number | null, note?: string): Runtime => ({ seconds, open: false, note })
  if (task.runtime !== null) return closed(task.runtime)
  const [began, ended] = [parseTime(task.started_at), parseTime(task.completed_at)]
  if (began === null) return closed(null)
  if (ended !== null) {
    const sign = lastSignOf(task, worker)
    if (sign !== null && sign < ended) return closed(Math.max(0, sign - began) / 1000, words.untilLastSign)
    if (hasRestarted(task, worker)) return closed(null, words.restarted)
    return closed(ended >= began ? (ended - began) / 1000 : null, words.estimated)
  }
  if (task.status !== 'started') return closed(null)
  if (frozenAt !== null) return closed(Math.max(0, frozenAt - began) / 1000, words.untilLastSign)
  return { seconds: Math.max(0, Math.floor((now - began) / 1000)), open: true, note: words.running }
}

/** Where a status comes from that no event has told. */
export function statusFrom(task: Pick<Task, 'status' | 'status_from'>): string {
  if (task.status_from === 'backend') return t.task.from.backend
  if (task.status === 'orphaned') return t.task.from.orphaned
  if (task.status_from === 'broker') return t.task.from.broker
  return t.task.from.worker
}
