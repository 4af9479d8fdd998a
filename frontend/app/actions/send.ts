import { EXACT, exactMembers, exactOutcome, textOf as text, wayOf } from './exact'
import { api, outcome } from '~/api/client'
import type { TaskRevoked, TaskSent } from '~/api/types'
import { SIGNALS, type Action, type Field, type Values } from '~/lib/action'
import { exactText } from '~/lib/exactJson'
import { sentenceOf } from '~/lib/format'
import { fromLocalInput } from '~/lib/localTime'
import { t } from '~/texts'

/** What is offered where something is to be named. */
export interface Known { queues: readonly string[], tasks: readonly string[], sources: readonly string[] }

function sourceField(sources: readonly string[]): Field[] {
  return sources.length > 1 ? [{ key: 'source', label: t.actions.field.source, kind: 'choice', options: sources, value: sources[0] }] : []
}

export function sendBody(values: Values, now: number): string {
  const parts = exactMembers(values, { texts: ['name', 'source', 'queue'], numbers: ['countdown', 'priority', 'soft_time_limit', 'time_limit'] })
  if (text(values, 'eta')) parts.push(`"eta":"${fromLocalInput(text(values, 'eta'))}"`)
  if (text(values, 'expires')) parts.push(`"expires":"${new Date(now + Number(text(values, 'expires')) * 1000).toISOString()}"`)
  if (text(values, 'unregistered')) parts.push('"unregistered":true')
  return `{${parts.join(',')}}`
}

/** The queue that the task was last sent to: of a task that no worker on one queue alone has, the gateway knows none. */
export function queuesOfHistory() {
  const known = new Map<string, Promise<string | null>>()
  return (name: string, source: string) => {
    const key = `${source} ${name}`
    if (!known.has(key)) known.set(key, lastQueue(name, source))
    return known.get(key)!
  }
}

async function lastQueue(name: string, source: string): Promise<string | null> {
  const answer = await outcome(api.GET('/api/v1/tasks', { params: { query: { name: [name], ...(source ? { source: [source] } : {}), limit: 20 } } }))
  return answer && 'data' in answer ? answer.data.items.find(task => task.queue)?.queue ?? null : null
}

function send(values: Values, dryRun: boolean) {
  return exactOutcome<TaskSent>(api.POST('/api/v1/tasks', {
    params: { query: dryRun ? { dry_run: 'true' } : {} },
    body: sendBody(values, Date.now()) as never,
    ...EXACT,
  }))
}

export function sendTask(known: Known, name = ''): Action<TaskSent, TaskSent> {
  const { when, limits } = t.actions.section
  const queueOf = queuesOfHistory()
  const filled = async (values: Values) => text(values, 'queue') ? values : { ...values, queue: await queueOf(text(values, 'name'), text(values, 'source')) ?? '' }
  return {
    title: t.actions.offer.send,
    verb: t.actions.offer.send,
    fields: [
      ...sourceField(known.sources),
      { key: 'name', label: t.actions.field.task, kind: 'text', value: name, required: true, suggestions: known.tasks, hint: known.tasks[0] ?? 'shop.tasks.charge' },
      { key: 'args', label: t.actions.field.args, kind: 'list', value: '[]' },
      { key: 'kwargs', label: t.actions.field.kwargs, kind: 'object', value: '{}' },
      { key: 'queue', label: t.actions.queue, kind: 'text', suggestions: known.queues, hint: t.actions.hint.ofTask },
      { key: 'countdown', label: t.actions.field.countdown, kind: 'number', least: 0, section: when, hint: '0' },
      { key: 'eta', label: t.actions.field.eta, kind: 'time', section: when },
      { key: 'expires', label: t.actions.field.expires, kind: 'number', least: 1, section: when, hint: t.actions.hint.never },
      { key: 'priority', label: t.actions.field.priority, kind: 'number', least: 0, most: 255, section: when, hint: t.actions.hint.none },
      { key: 'soft_time_limit', label: t.actions.field.soft, kind: 'number', least: 0, section: limits, hint: t.actions.hint.noLimit },
      { key: 'time_limit', label: t.actions.field.hard, kind: 'number', least: 0, section: limits, hint: t.actions.hint.noLimit },
      { key: 'unregistered', label: t.actions.field.unregistered, kind: 'flag' },
    ],
    grave: true,
    plan: async values => send(await filled(values), true),
    act: async values => send(await filled(values), false),
    sayPlan: (plan, values) => ({
      lines: [
        t.actions.taskWill.send(wayOf(plan)),
        ...(text(values, 'countdown') && text(values, 'eta') ? [t.actions.taskWill.countdownFirst] : []),
      ],
      warnings: plan.warnings.map(sentenceOf),
      message: plan.message ? exactText(plan.message) : undefined,
    }),
    sayDone: done => ({
      lines: [t.actions.taskWill.sent(wayOf(done))],
      warnings: done.warnings.map(sentenceOf),
      link: { text: done.id, to: { name: 'tasks-id', params: { id: done.id }, query: { source: done.source } } },
    }),
  }
}

/** Celery's revoke_by_stamped_headers. */
export function revokeByHeaders(known: Known): Action<TaskRevoked, TaskRevoked> {
  const revoke = (values: Values, dryRun: boolean) => outcome(api.POST('/api/v1/revoke-by-headers', {
    params: { query: dryRun ? { dry_run: 'true' } : {} },
    body: {
      headers: JSON.parse(text(values, 'headers')),
      ...(text(values, 'source') ? { source: text(values, 'source') } : {}),
      ...(text(values, 'signal') ? { terminate: true, signal: `SIG${values.signal}` } : {}),
    },
  }))
  return {
    title: t.actions.offer.revokeByHeaders,
    verb: t.actions.offer.revoke,
    danger: true,
    fields: [
      ...sourceField(known.sources),
      { key: 'headers', label: t.actions.field.headers, kind: 'object', required: true, hint: '{"customer": ["1042"]}' },
      { key: 'signal', label: t.actions.terminateWith, kind: 'choice', options: ['', ...SIGNALS] },
    ],
    grave: true,
    plan: values => revoke(values, true),
    act: values => revoke(values, false),
    sayPlan: (plan, values) => ({
      lines: [
        t.actions.taskWill.discardByHeaders(plan.workers.length),
        values.signal ? t.actions.taskWill.terminateByHeaders(`SIG${values.signal}`) : t.actions.taskWill.noTerminateByHeaders,
        t.actions.taskWill.newerCelery,
      ],
    }),
    sayDone: done => ({
      lines: [t.actions.said.confirmedBy(done.replies.filter(reply => reply.ok).length)],
      replies: done,
    }),
  }
}
