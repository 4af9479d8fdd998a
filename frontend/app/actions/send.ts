import { EXACT, exactMembers, exactOutcome, textOf as text } from './exact'
import { api, outcome } from '~/api/client'
import type { TaskRevoked, TaskSent } from '~/api/types'
import { SIGNALS, type Action, type Field, type Values } from '~/lib/action'
import { exactText } from '~/lib/exactJson'
import { plural } from '~/lib/format'
import { fromLocalInput } from '~/lib/localTime'

/** What is offered where something is to be named. */
export interface Known { queues: readonly string[], tasks: readonly string[], sources: readonly string[] }

const WHEN = 'Time and priority'
const LIMITS = 'Time limits'

function sourceField(sources: readonly string[]): Field[] {
  return sources.length > 1 ? [{ key: 'source', label: 'Source', kind: 'choice', options: sources, value: sources[0] }] : []
}

export function sendBody(values: Values, now: number): string {
  const parts = exactMembers(values, { texts: ['name', 'source', 'queue'], numbers: ['countdown', 'priority', 'soft_time_limit', 'time_limit'] })
  if (text(values, 'eta')) parts.push(`"eta":"${fromLocalInput(text(values, 'eta'))}"`)
  if (text(values, 'expires')) parts.push(`"expires":"${new Date(now + Number(text(values, 'expires')) * 1000).toISOString()}"`)
  if (text(values, 'unregistered')) parts.push('"unregistered":true')
  return `{${parts.join(',')}}`
}

function send(values: Values, dryRun: boolean) {
  return exactOutcome<TaskSent>(api.POST('/api/v1/tasks', {
    params: { query: dryRun ? { dry_run: 'true' } : {} },
    body: sendBody(values, Date.now()) as never,
    ...EXACT,
  }))
}

export function sendTask(known: Known, name = ''): Action<TaskSent, TaskSent> {
  return {
    title: 'Send a task',
    verb: 'Send it',
    fields: [
      ...sourceField(known.sources),
      { key: 'name', label: 'Task', kind: 'text', value: name, required: true, suggestions: known.tasks, hint: known.tasks[0] ?? 'shop.tasks.charge' },
      { key: 'args', label: 'Arguments, a JSON list', kind: 'list', value: '[]' },
      { key: 'kwargs', label: 'Keyword arguments, a JSON object', kind: 'object', value: '{}' },
      { key: 'queue', label: 'Queue', kind: 'text', suggestions: known.queues, hint: 'the one that its workers consume' },
      { key: 'countdown', label: 'Seconds until it may start', kind: 'number', least: 0, section: WHEN, hint: '0' },
      { key: 'eta', label: 'Or the time at which it may start', kind: 'time', section: WHEN },
      { key: 'expires', label: 'Seconds until it is thrown away when it has not started', kind: 'number', least: 1, section: WHEN, hint: 'never' },
      { key: 'priority', label: 'Priority', kind: 'number', least: 0, most: 255, section: WHEN, hint: 'none' },
      { key: 'soft_time_limit', label: 'Seconds until SoftTimeLimitExceeded is raised', kind: 'number', least: 0, section: LIMITS, hint: 'no limit' },
      { key: 'time_limit', label: 'Seconds until its process is killed', kind: 'number', least: 0, section: LIMITS, hint: 'no limit' },
      { key: 'unregistered', label: 'Also when no worker that is online has registered it', kind: 'flag' },
    ],
    grave: true,
    plan: values => send(values, true),
    act: values => send(values, false),
    sayPlan: (plan, values) => ({
      lines: [
        `One task goes to the queue ${plan.queue}.`,
        ...(text(values, 'countdown') && text(values, 'eta') ? ['The seconds until it may start go before the time.'] : []),
      ],
      warnings: plan.warnings,
      message: plan.message ? exactText(plan.message) : undefined,
    }),
    sayDone: done => ({
      lines: [`It was sent to the queue ${done.queue}.`],
      warnings: done.warnings,
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
    title: 'Revoke tasks by stamped headers',
    verb: 'Revoke them',
    fields: [
      ...sourceField(known.sources),
      { key: 'headers', label: 'Stamps, a JSON object of a value or a list of values', kind: 'object', required: true, hint: '{"customer": ["1042"]}' },
      { key: 'signal', label: 'Also end those that run, with', kind: 'choice', options: ['', ...SIGNALS] },
    ],
    grave: true,
    plan: values => revoke(values, true),
    act: values => revoke(values, false),
    sayPlan: (plan, values) => ({
      lines: [
        `${plan.workers.length ? plural(plan.workers.length, 'worker is', 'workers are') : 'All workers that listen are'} told to throw away every task with these stamps, as they get it. How many that will be, nobody knows before.`,
        values.signal ? `Those that run get SIG${values.signal}.` : 'Those that run go on.',
        'It needs Celery 5.3 or newer.',
      ],
    }),
    sayDone: done => ({
      lines: [`${plural(done.replies.filter(reply => reply.ok).length, 'worker')} confirmed.`],
      replies: done,
    }),
  }
}
