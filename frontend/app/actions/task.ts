import { EXACT, exactMembers, exactOutcome } from './exact'
import { api, outcome } from '~/api/client'
import type { Task, TaskRevoked, TaskSent } from '~/api/types'
import { SIGNALS, type Action, type Field, type Values } from '~/lib/action'
import { exactText } from '~/lib/exactJson'
import { plural } from '~/lib/format'
import { hasEnded } from '~/lib/status'
import { t } from '~/texts'

const EDIT = 'Edit arguments'
const OPTIONS = 'Queue and scheduling'
const SOURCES = 'Source of the arguments'
const CERTAIN = 'most reliable source'
const SOURCE: Record<string, 'message' | 'backend' | 'events'> = { 'the waiting message': 'message', 'the result backend': 'backend', 'the events': 'events' }
const LAST = 'the last attempt'

const ARGUMENTS_FROM: Record<TaskSent['arguments_from'], string> = {
  message: 'the queued message (exact copy)',
  backend: 'the result backend',
  repr: 'the event\'s arguments (complete and unambiguous)',
  request: 'your input',
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
  return sent.queue ? `queue ${sent.queue}` : `exchange ${sent.exchange} with routing key ${sent.routing_key}`
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
    { key: 'args', label: 'Arguments (JSON array)', kind: 'list', required: true, section: EDIT },
    { key: 'kwargs', label: 'Keyword arguments (JSON object)', kind: 'object', required: true, section: EDIT },
    { key: 'queue', label: 'Queue', kind: 'text', section: OPTIONS, hint: task.queue ?? 'original' },
    { key: 'countdown', label: 'Countdown (seconds)', kind: 'number', least: 0, section: OPTIONS, hint: '0' },
    { key: 'priority', label: 'Priority', kind: 'number', least: 0, most: 255, section: OPTIONS, hint: 'original' },
    ...(task.retries ? [{ key: 'attempt', label: 'Arguments of', kind: 'choice', options: ['the first call', LAST], value: 'the first call', section: SOURCES } as const] : []),
    { key: 'arguments', label: 'Take arguments from', kind: 'choice', options: [CERTAIN, ...Object.keys(SOURCE)], value: CERTAIN, section: SOURCES },
    ...(hasEnded(task.status) ? [{ key: 'force', label: 'Retry even if a copy may still run', kind: 'flag', section: OPTIONS } as const] : []),
  ]
  return {
    title: `Retry ${nameOf(task)}`,
    verb: 'Retry',
    fields,
    grave: true,
    plan: values => sendAgain(task, values, true),
    act: values => sendAgain(task, values, false),
    fill: (section, plan) => section === EDIT ? argumentsOf(task, plan) : {},
    sayPlan: plan => ({
      lines: [
        `A new task${plan.name && plan.name !== task.name ? ` (${plan.name})` : ''} will be sent to ${wayOf(plan)}. Arguments from: ${ARGUMENTS_FROM[plan.arguments_from]}.`,
        ...attemptsOf(plan),
      ],
      warnings: [
        ...(task.retried_as?.length ? [t.actions.retriedBefore(task.retried_as.length, task.retried_as.at(-1)!)] : []),
        ...(hasEnded(task.status) ? [] : [`This task is still ${t.status.label[task.status].toLowerCase()}. Retrying may run it twice.`]),
        ...plan.warnings,
      ],
      message: plan.message ? exactText(plan.message) : undefined,
    }),
    sayDone: done => ({
      lines: [`Sent to ${wayOf(done)}.`],
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
    verb: terminate ? 'Terminate' : 'Revoke',
    danger: true,
    fields: terminate ? [{ key: 'signal', label: 'Signal', kind: 'choice', options: SIGNALS, value: 'TERM' }] : [],
    grave: true,
    plan: values => revoke(values, true),
    act: values => revoke(values, false),
    sayPlan: (plan, values) => ({
      lines: [
        `${plan.workers.length ? plural(plan.workers.length, 'worker') : 'All listening workers'} will discard this task.`,
        ...(terminate ? [`If it's running, its process gets SIG${values.signal}. Other tasks aren't affected; work already done isn't rolled back.`] : ['If it\'s already running, it continues.']),
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
    title: mark ? `Resolve ${nameOf(task)}` : `Unresolve ${nameOf(task)}`,
    verb: mark ? 'Resolve' : 'Unresolve',
    fields: [],
    grave: false,
    plan: async () => ({ data: task }),
    act: () => outcome(mark
      ? api.POST('/api/v1/tasks/{id}/resolve', { params: pathOf(task) })
      : api.DELETE('/api/v1/tasks/{id}/resolve', { params: pathOf(task) })),
    sayPlan: () => ({
      lines: [mark
        ? 'Marks this task as resolved. Celery isn\'t affected; it reopens if the task fails again.'
        : 'Reopens this task.'],
    }),
    sayDone: () => ({ lines: [mark ? 'Resolved.' : 'Reopened.'] }),
  }
}
