import { EXACT, exactMembers, exactOutcome, textOf as text } from './exact'
import { api, outcome } from '~/api/client'
import type { TaskRevoked, TaskSent } from '~/api/types'
import { SIGNALS, type Action, type Field, type Values } from '~/lib/action'
import { exactText } from '~/lib/exactJson'
import { plural } from '~/lib/format'
import { fromLocalInput } from '~/lib/localTime'

/** What is offered where something is to be named. */
export interface Known { queues: readonly string[], tasks: readonly string[], sources: readonly string[] }

const WHEN = 'Scheduling and priority'
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
  const queueOf = queuesOfHistory()
  const filled = async (values: Values) => text(values, 'queue') ? values : { ...values, queue: await queueOf(text(values, 'name'), text(values, 'source')) ?? '' }
  return {
    title: 'Send task',
    verb: 'Send task',
    fields: [
      ...sourceField(known.sources),
      { key: 'name', label: 'Task', kind: 'text', value: name, required: true, suggestions: known.tasks, hint: known.tasks[0] ?? 'shop.tasks.charge' },
      { key: 'args', label: 'Arguments (JSON array)', kind: 'list', value: '[]' },
      { key: 'kwargs', label: 'Keyword arguments (JSON object)', kind: 'object', value: '{}' },
      { key: 'queue', label: 'Queue', kind: 'text', suggestions: known.queues, hint: 'default for this task' },
      { key: 'countdown', label: 'Countdown (seconds)', kind: 'number', least: 0, section: WHEN, hint: '0' },
      { key: 'eta', label: 'ETA', kind: 'time', section: WHEN },
      { key: 'expires', label: 'Expires after (seconds)', kind: 'number', least: 1, section: WHEN, hint: 'never' },
      { key: 'priority', label: 'Priority', kind: 'number', least: 0, most: 255, section: WHEN, hint: 'none' },
      { key: 'soft_time_limit', label: 'Soft time limit (seconds)', kind: 'number', least: 0, section: LIMITS, hint: 'no limit' },
      { key: 'time_limit', label: 'Hard time limit (seconds)', kind: 'number', least: 0, section: LIMITS, hint: 'no limit' },
      { key: 'unregistered', label: 'Send even if no online worker knows this task', kind: 'flag' },
    ],
    grave: true,
    plan: async values => send(await filled(values), true),
    act: async values => send(await filled(values), false),
    sayPlan: (plan, values) => ({
      lines: [
        `Will be sent to queue ${plan.queue}.`,
        ...(text(values, 'countdown') && text(values, 'eta') ? ['Countdown takes precedence over ETA.'] : []),
      ],
      warnings: plan.warnings,
      message: plan.message ? exactText(plan.message) : undefined,
    }),
    sayDone: done => ({
      lines: [`Sent to queue ${done.queue}.`],
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
    title: 'Revoke by stamped headers',
    verb: 'Revoke',
    danger: true,
    fields: [
      ...sourceField(known.sources),
      { key: 'headers', label: 'Stamped headers (JSON object)', kind: 'object', required: true, hint: '{"customer": ["1042"]}' },
      { key: 'signal', label: 'Also terminate running tasks with', kind: 'choice', options: ['', ...SIGNALS] },
    ],
    grave: true,
    plan: values => revoke(values, true),
    act: values => revoke(values, false),
    sayPlan: (plan, values) => ({
      lines: [
        `${plan.workers.length ? plural(plan.workers.length, 'worker') : 'All listening workers'} will discard every task with these headers. The number can't be known in advance.`,
        values.signal ? `Running tasks get SIG${values.signal}.` : 'Running tasks continue.',
        'Requires Celery 5.3 or later.',
      ],
    }),
    sayDone: done => ({
      lines: [`${plural(done.replies.filter(reply => reply.ok).length, 'worker')} confirmed.`],
      replies: done,
    }),
  }
}
