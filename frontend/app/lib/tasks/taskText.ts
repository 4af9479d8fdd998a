import type { Task } from '~/api/types'
import { parseTime } from '../format'

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

/** What the worker measured; for tasks that did not succeed it says nothing, so then the time between the events. */
export function runtimeOf(task: Pick<Task, 'runtime' | 'status' | 'started_at' | 'completed_at'>, now: number): Runtime {
  if (task.runtime !== null) return { seconds: task.runtime, open: false, note: undefined }
  const [began, ended] = [parseTime(task.started_at), parseTime(task.completed_at)]
  if (began === null) return { seconds: null, open: false, note: undefined }
  if (ended !== null) return { seconds: ended >= began ? (ended - began) / 1000 : null, open: false, note: 'Estimated from events; Celery only reports the runtime of successful tasks' }
  if (task.status !== 'started') return { seconds: null, open: false, note: undefined }
  return { seconds: Math.max(0, Math.floor((now - began) / 1000)), open: true, note: 'Still running' }
}

/** Where a status comes from that no event has told. */
export function statusFrom(task: Pick<Task, 'status' | 'status_from'>): string {
  if (task.status_from === 'backend') return 'from the result backend (event lost)'
  if (task.status === 'orphaned') return 'the worker no longer has it; outcome unknown'
  return 'reported by the worker'
}
