import type { Json } from './python'

/** A task as a worker tells it in active, reserved, scheduled and revoked. Everything comes from outside, so nothing is taken for granted. */
export interface InspectedTask {
  id: string
  name: string | null
  call: string
  eta: string | null
  startedAt: number | null
  pid: number | null
}

/** Null when the value is no list of tasks. */
export function inspectedTasks(value: unknown): InspectedTask[] | null {
  return Array.isArray(value) ? value.map(entry => inspectedTask(entry as Json)) : null
}

function inspectedTask(entry: Json): InspectedTask {
  // revoked tells ids alone; scheduled has the task below "request".
  const outer = dictOf(entry)
  const task = 'request' in outer ? dictOf(outer.request) : outer
  const id = textOf(task.id) ?? (typeof entry === 'string' ? entry : '')
  const [args, kwargs] = [callPart(task.args), callPart(task.kwargs)]
  return {
    id,
    name: textOf(task.name),
    call: [args, kwargs].filter(Boolean).join(' '),
    eta: textOf(outer.eta),
    startedAt: typeof task.time_start === 'number' ? task.time_start * 1000 : null,
    pid: typeof task.worker_pid === 'number' ? task.worker_pid : null,
  }
}

function dictOf(value: Json | undefined): Record<string, Json> {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value : {}
}

function textOf(value: Json | undefined): string | null {
  return typeof value === 'string' && value !== '' ? value : null
}

function callPart(value: Json | undefined): string {
  if (value === undefined || value === null) return ''
  const text = typeof value === 'string' ? value : JSON.stringify(value)
  return ['[]', '{}', '()'].includes(text) ? '' : text
}
