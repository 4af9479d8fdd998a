import { EXACT, exactMembers, exactOutcome, wayOf } from './exact'
import { api, outcome } from '~/api/client'
import type { Task, TaskRevoked, TaskSent } from '~/api/types'
import { SIGNALS, type Action, type Field, type Values } from '~/lib/action'
import { exactText } from '~/lib/exactJson'
import { sentenceOf } from '~/lib/format'
import { hasEnded } from '~/lib/status'
import { t } from '~/texts'

const SOURCES = ['message', 'backend', 'events'] as const

const nameOf = (task: Task) => task.name ?? task.id
const pathOf = (task: Task) => ({ path: { id: task.id }, query: { source: task.source } })

export function retryBody(task: Task, values: Values): string {
  return `{${[`"source":${JSON.stringify(task.source)}`, ...exactMembers(values, { texts: ['queue'], numbers: ['countdown', 'priority'] })].join(',')}}`
}

/** What the dialog was told about whose arguments are sent, and whether a second run is risked. */
export function retryOptions(task: Task, values: Values) {
  const source = SOURCES.find(one => one === values.arguments)
  return {
    ...(values.force || !hasEnded(task.status) ? { force: 'true' as const } : {}),
    ...(values.attempt === 'last' ? { attempt: 'last' as const } : {}),
    ...(source ? { arguments: source } : {}),
  }
}

/** The calls of a task that was retried with other arguments. */
function attemptsOf(sent: TaskSent): string[] {
  const words = t.actions.taskWill
  return sent.attempts.map(one =>
    words.call(one.retries === 0 ? words.firstCall : words.attempt(one.retries), one.retries === sent.attempt, `${one.args_repr ?? '?'} ${one.kwargs_repr ?? '?'}`))
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
  const { field, hint, section } = t.actions
  const fields: Field[] = [
    { key: 'args', label: field.args, kind: 'list', required: true, section: section.edit },
    { key: 'kwargs', label: field.kwargs, kind: 'object', required: true, section: section.edit },
    { key: 'queue', label: t.actions.queue, kind: 'text', section: section.scheduling, hint: task.queue ?? hint.original },
    { key: 'countdown', label: field.countdown, kind: 'number', least: 0, section: section.scheduling, hint: '0' },
    { key: 'priority', label: field.priority, kind: 'number', least: 0, most: 255, section: section.scheduling, hint: hint.original },
    ...(task.retries ? [{ key: 'attempt', label: field.attempt, kind: 'choice', options: ['first', 'last'], labels: field.attempts, value: 'first', section: section.sources } as const] : []),
    { key: 'arguments', label: field.from, kind: 'choice', options: ['reliable', ...SOURCES], labels: field.sources, value: 'reliable', section: section.sources },
    ...(hasEnded(task.status) ? [{ key: 'force', label: field.force, kind: 'flag', section: section.scheduling } as const] : []),
  ]
  return {
    title: t.actions.title.retry(nameOf(task)),
    verb: t.actions.offer.retry,
    fields,
    grave: true,
    plan: values => sendAgain(task, values, true),
    act: values => sendAgain(task, values, false),
    fill: (opened, plan) => opened === section.edit ? argumentsOf(task, plan) : {},
    sayPlan: plan => ({
      lines: [
        t.actions.taskWill.retry(plan.name === task.name ? null : plan.name, wayOf(plan), t.actions.taskWill.argumentsFrom[plan.arguments_from]),
        ...attemptsOf(plan),
      ],
      warnings: [
        ...(task.retried_as?.length ? [t.actions.retriedBefore(task.retried_as.length, task.retried_as.at(-1)!)] : []),
        ...(hasEnded(task.status) ? [] : [t.actions.taskWill.stillRuns(t.status.label[task.status])]),
        ...plan.warnings.map(sentenceOf),
      ],
      message: plan.message ? exactText(plan.message) : undefined,
    }),
    sayDone: done => ({
      lines: [t.actions.taskWill.sent(wayOf(done))],
      warnings: done.warnings.map(sentenceOf),
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
    title: terminate ? t.actions.title.terminate(nameOf(task)) : t.actions.title.revoke(nameOf(task)),
    verb: terminate ? t.actions.offer.terminate : t.actions.offer.revoke,
    danger: true,
    fields: terminate ? [{ key: 'signal', label: t.actions.field.signal, kind: 'choice', options: SIGNALS, value: 'TERM' }] : [],
    grave: true,
    plan: values => revoke(values, true),
    act: values => revoke(values, false),
    sayPlan: (plan, values) => ({
      lines: [
        t.actions.taskWill.discard(plan.workers.length),
        terminate ? t.actions.taskWill.terminate(`SIG${values.signal}`) : t.actions.taskWill.noTerminate,
        ...(plan.removal ? [sentenceOf(plan.removal)] : []),
      ],
    }),
    sayDone: done => ({
      lines: [t.actions.said.confirmedBy(done.replies.filter(reply => reply.ok).length), ...(done.removal ? [sentenceOf(done.removal)] : [])],
      replies: done,
    }),
  }
}

/** There is no dry run of a mark, and it can be taken away again. */
export function resolveTask(task: Task, mark: boolean): Action<Task, Task> {
  return {
    title: mark ? t.actions.title.resolve(nameOf(task)) : t.actions.title.unresolve(nameOf(task)),
    verb: mark ? t.actions.offer.resolve : t.actions.offer.unresolve,
    fields: [],
    grave: false,
    plan: async () => ({ data: task }),
    act: () => outcome(mark
      ? api.POST('/api/v1/tasks/{id}/resolve', { params: pathOf(task) })
      : api.DELETE('/api/v1/tasks/{id}/resolve', { params: pathOf(task) })),
    sayPlan: () => ({ lines: [mark ? t.actions.taskWill.resolve : t.actions.taskWill.unresolve] }),
    sayDone: () => ({ lines: [mark ? t.actions.said.resolved : t.actions.said.reopened] }),
  }
}
