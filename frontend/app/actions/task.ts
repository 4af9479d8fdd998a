import { EXACT, exactMembers, exactOutcome } from './exact'
import { api, outcome } from '~/api/client'
import type { Task, TaskRevoked, TaskSent } from '~/api/types'
import { SIGNALS, type Action, type Field, type Values } from '~/lib/action'
import { exactText } from '~/lib/exactJson'
import { plural } from '~/lib/format'
import { hasEnded, STATUS_LABEL } from '~/lib/status'

const EDIT = 'Edit the arguments'
const OPTIONS = 'Queue and time'
const SOURCES = 'Where the arguments come from'
const CERTAIN = 'the first source that is certain'
const SOURCE: Record<string, 'message' | 'backend' | 'events'> = { 'the waiting message': 'message', 'the result backend': 'backend', 'the events': 'events' }
const LAST = 'the last attempt'

const ARGUMENTS_FROM: Record<TaskSent['arguments_from'], string> = {
  message: 'the message that still waits, copied byte for byte',
  backend: 'the result backend',
  repr: 'the text in Celery’s events, which is whole and can be read in one way',
  request: 'what you typed',
}

const nameOf = (task: Task) => task.name ?? task.id
const pathOf = (task: Task) => ({ path: { id: task.id }, query: { source: task.source } })

export function retryBody(task: Task, values: Values): string {
  return `{${[`"source":${JSON.stringify(task.source)}`, ...exactMembers(values, { texts: ['queue'], numbers: ['countdown', 'priority'] })].join(',')}}`
}

/** What the dialog was told about whose arguments are sent, and whether a second run is risked. */
export function retryOptions(task: Task, values: Values) {
  const source = SOURCE[values.arguments ?? '']
  return {
    ...(values.force || !hasEnded(task.status) ? { force: 'true' as const } : {}),
    ...(values.attempt === LAST ? { attempt: 'last' as const } : {}),
    ...(source ? { arguments: source } : {}),
  }
}

/** Where it goes: the queue, or the exchange that finds it. */
function wayOf(sent: TaskSent): string {
  return sent.queue ? `the queue ${sent.queue}` : `the exchange ${sent.exchange} with the routing key ${sent.routing_key}`
}

/** The calls of a task that was retried with other arguments. */
function attemptsOf(sent: TaskSent): string[] {
  return sent.attempts.map(one =>
    `${one.retries === 0 ? 'First call' : `Attempt ${one.retries}`}${one.retries === sent.attempt ? ' (sent)' : ''}: ${one.args_repr ?? '?'} ${one.kwargs_repr ?? '?'}`)
}

function sendAgain(task: Task, values: Values, dryRun: boolean) {
  return exactOutcome<TaskSent>(api.POST('/api/v1/tasks/{id}/retry', {
    params: { path: { id: task.id }, query: { ...(dryRun ? { dry_run: 'true' } : {}), ...retryOptions(task, values) } },
    body: retryBody(task, values) as never,
    ...EXACT,
  }))
}

/** The arguments of a dry run's message; of the task's events where the body is none that can be shown. */
function argumentsOf(task: Task, plan: TaskSent | null): Record<string, string> {
  const body = (plan?.message as { body?: unknown } | null | undefined)?.body
  const [args, kwargs] = Array.isArray(body) ? body : [task.args, task.kwargs]
  return { args: exactText(args ?? [], 1), kwargs: exactText(kwargs ?? {}, 1) }
}

export function retryTask(task: Task): Action<TaskSent, TaskSent> {
  const fields: Field[] = [
    { key: 'args', label: 'Arguments, a JSON list', kind: 'list', required: true, section: EDIT },
    { key: 'kwargs', label: 'Keyword arguments, a JSON object', kind: 'object', required: true, section: EDIT },
    { key: 'queue', label: 'Queue', kind: 'text', section: OPTIONS, hint: task.queue ?? 'that of the first call' },
    { key: 'countdown', label: 'Seconds until it may start', kind: 'number', least: 0, section: OPTIONS, hint: '0' },
    { key: 'priority', label: 'Priority', kind: 'number', least: 0, most: 255, section: OPTIONS, hint: 'that of the first call' },
    ...(task.retries ? [{ key: 'attempt', label: 'Arguments of', kind: 'choice', options: ['the first call', LAST], value: 'the first call', section: SOURCES } as const] : []),
    { key: 'arguments', label: 'Take them from', kind: 'choice', options: [CERTAIN, ...Object.keys(SOURCE)], value: CERTAIN, section: SOURCES },
    ...(hasEnded(task.status) ? [{ key: 'force', label: 'Send it even if a copy may still run', kind: 'flag', section: OPTIONS } as const] : []),
  ]
  return {
    title: `Retry ${nameOf(task)}`,
    verb: 'Send it again',
    fields,
    grave: true,
    plan: values => sendAgain(task, values, true),
    act: values => sendAgain(task, values, false),
    fill: (section, plan) => section === EDIT ? argumentsOf(task, plan) : {},
    sayPlan: plan => ({
      lines: [
        `One new task${plan.name && plan.name !== task.name ? ` (${plan.name})` : ''} goes to ${wayOf(plan)}. Its arguments are from ${ARGUMENTS_FROM[plan.arguments_from]}.`,
        ...attemptsOf(plan),
      ],
      warnings: [
        ...(hasEnded(task.status) ? [] : [`It has not ended (${STATUS_LABEL[task.status].toLowerCase()}): sent again, it may run twice.`]),
        ...plan.warnings,
      ],
      message: plan.message ? exactText(plan.message) : undefined,
    }),
    sayDone: done => ({
      lines: [`It was sent to ${wayOf(done)}.`],
      warnings: done.warnings,
      link: { text: done.id, to: { name: 'tasks-id', params: { id: done.id }, query: { source: done.source } } },
    }),
  }
}

export function revokeTask(task: Task, terminate: boolean): Action<TaskRevoked, TaskRevoked> {
  const revoke = (values: Values, dryRun: boolean) => outcome(api.DELETE('/api/v1/tasks/{id}', {
    params: {
      path: { id: task.id },
      query: { source: task.source, ...(terminate ? { terminate: 'true', signal: `SIG${values.signal}` } : {}), ...(dryRun ? { dry_run: 'true' } : {}) },
    },
  }))
  return {
    title: `${terminate ? 'Terminate' : 'Revoke'} ${nameOf(task)}`,
    verb: terminate ? 'Terminate it' : 'Revoke it',
    fields: terminate ? [{ key: 'signal', label: 'Signal', kind: 'choice', options: SIGNALS, value: 'TERM' }] : [],
    grave: true,
    plan: values => revoke(values, true),
    act: values => revoke(values, false),
    sayPlan: (plan, values) => ({
      lines: [
        `${plan.workers.length ? plural(plan.workers.length, 'worker is', 'workers are') : 'All workers that listen are'} told to throw this task away.`,
        ...(terminate ? [`If it runs, its process gets SIG${values.signal}. A process of the pool that ends takes nothing else with it, but what the task has done so far stays done.`] : ['If it runs already, it goes on.']),
        ...(plan.removal ? [`${sentence(plan.removal)}`] : []),
      ],
    }),
    sayDone: done => ({
      lines: [`${plural(done.replies.filter(reply => reply.ok).length, 'worker')} confirmed.`, ...(done.removal ? [sentence(done.removal)] : [])],
      replies: done,
    }),
  }
}

function sentence(text: string): string {
  return `${text.charAt(0).toUpperCase()}${text.slice(1)}${/[.!?]$/.test(text) ? '' : '.'}`
}

/** There is no dry run of a mark, and it can be taken away again. */
export function resolveTask(task: Task, mark: boolean): Action<Task, Task> {
  return {
    title: mark ? `Mark ${nameOf(task)} as resolved` : `Take the mark from ${nameOf(task)}`,
    verb: mark ? 'Mark as resolved' : 'Take the mark away',
    fields: [],
    grave: false,
    plan: async () => ({ data: task }),
    act: () => outcome(mark
      ? api.POST('/api/v1/tasks/{id}/resolve', { params: pathOf(task) })
      : api.DELETE('/api/v1/tasks/{id}/resolve', { params: pathOf(task) })),
    sayPlan: () => ({
      lines: [mark
        ? 'One task is marked as seen to. Nothing is sent to Celery; the mark goes when the task fails again.'
        : 'One task counts as not seen to again.'],
    }),
    sayDone: () => ({ lines: [mark ? 'It is marked as resolved.' : 'The mark is gone.'] }),
  }
}
