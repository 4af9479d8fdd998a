import { api, outcome } from '~/api/client'
import type { Worker, WorkerReplies } from '~/api/types'
import type { Action, Field, Values } from '~/lib/action'
import { plural } from '~/lib/format'
import { COMMAND_LABEL, type CommandMethod } from '~/lib/wish'

interface Words {
  fields?: (worker: Worker, given: Given) => Field[]
  verb: string
  grave?: boolean
  will: (values: Values) => string
}
interface Given { queue?: string, task?: string }

const ADDITIONAL = 'Exchange and routing key'
const text = (values: Values, key: string) => values[key]?.trim() ?? ''
const howMany = (): Field[] => [{ key: 'n', label: 'How many', kind: 'number', value: '1', required: true, least: 1, most: 1000 }]
const task = (worker: Worker, given: Given): Field => ({ key: 'task_name', label: 'Task', kind: 'text', value: given.task ?? '', required: true, suggestions: worker.registered })

const COMMANDS: Record<CommandMethod, Words> = {
  pool_grow: { fields: howMany, verb: 'Grow', will: values => `Added to its pool: ${plural(Number(values.n), 'process or thread', 'processes or threads')}.` },
  pool_shrink: { fields: howMany, verb: 'Shrink', will: values => `Taken from its pool: ${plural(Number(values.n), 'process or thread', 'processes or threads')}, when they have nothing to do.` },
  autoscale: {
    fields: () => [
      { key: 'max', label: 'Processes at most', kind: 'number', required: true, least: 0, most: 10_000 },
      { key: 'min', label: 'Processes at least', kind: 'number', required: true, least: 0, most: 10_000 },
    ],
    verb: 'Set the bounds',
    will: values => `Its pool is kept between ${values.min} and ${values.max} processes. It must have been started with --autoscale.`,
  },
  pool_restart: { verb: 'Restart the pool', grave: true, will: () => 'Its pool is started anew: tasks that run are interrupted. It needs worker_pool_restarts = True.' },
  add_consumer: {
    fields: () => [
      { key: 'queue', label: 'Queue', kind: 'text', required: true },
      { key: 'exchange', label: 'Exchange', kind: 'text', section: ADDITIONAL, hint: 'as the queue' },
      { key: 'exchange_type', label: 'Type of the exchange', kind: 'choice', options: ['direct', 'topic', 'fanout', 'headers'], value: 'direct', section: ADDITIONAL },
      { key: 'routing_key', label: 'Routing key', kind: 'text', section: ADDITIONAL, hint: 'as the queue' },
    ],
    verb: 'Add it',
    will: values => `It consumes from ${text(values, 'queue')} too; the queue is made when it is missing.`,
  },
  cancel_consumer: {
    fields: (worker, given) => [{ key: 'queue', label: 'Queue', kind: 'text', value: given.queue ?? '', required: true, suggestions: worker.queues }],
    verb: 'Cancel it',
    will: values => `It consumes from ${text(values, 'queue')} no more. Tasks that it has already go on.`,
  },
  rate_limit: {
    fields: (worker, given) => [task(worker, given), { key: 'rate_limit', label: 'Tasks', kind: 'text', required: true, hint: '10/s, 100/m, 5/h; 0 for no limit' }],
    verb: 'Set the limit',
    will: values => text(values, 'rate_limit') === '0' ? `It starts ${text(values, 'task_name')} as often as it can.` : `It starts ${text(values, 'task_name')} at most ${text(values, 'rate_limit')}.`,
  },
  time_limit: {
    fields: (worker, given) => [
      task(worker, given),
      { key: 'soft', label: 'Seconds until SoftTimeLimitExceeded is raised', kind: 'number', least: 0.001, hint: 'no limit' },
      { key: 'hard', label: 'Seconds until its process is killed', kind: 'number', least: 0.001, hint: 'no limit' },
    ],
    verb: 'Set the limits',
    will: values => `${text(values, 'task_name')} may run ${text(values, 'soft') || 'without'} s (soft) and ${text(values, 'hard') || 'without'} s (hard) from now on.`.replaceAll('without s', 'without limit'),
  },
  enable_events: { verb: 'Switch on', will: () => 'It sends task events.' },
  disable_events: { verb: 'Switch off', will: () => 'It sends no task events: Kanchi sees nothing of its tasks until they are switched on again.' },
  shutdown: { verb: 'Shut it down', grave: true, will: () => 'It ends when its running tasks are done. Kanchi can’t start it again.' },
}

const NUMBERS = new Set(['n', 'max', 'min', 'soft', 'hard'])

/** What was typed, as the command takes it; what was left empty is left out. */
export function argumentsOf(values: Values): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values)
    .map(([key, value]) => [key, value.trim()] as const)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => [key, NUMBERS.has(key) ? Number(value) : value]))
}

export function commandWorker(method: CommandMethod, worker: Worker, given: Given): Action<WorkerReplies, WorkerReplies> {
  const words = COMMANDS[method]
  const send = (values: Values, dryRun: boolean) => outcome(api.POST('/api/v1/commands/{method}', {
    params: { path: { method }, query: dryRun ? { dry_run: 'true' } : {} },
    body: { source: worker.source, workers: [worker.id], arguments: argumentsOf(values) as never },
  }))
  return {
    title: `${COMMAND_LABEL[method]}: ${worker.id}`,
    verb: words.verb,
    fields: words.fields?.(worker, given) ?? [],
    grave: words.grave ?? false,
    plan: values => send(values, true),
    act: values => send(values, false),
    sayPlan: (plan, values) => ({
      lines: [`One worker is told: ${plan.workers.join(', ')}.`, words.will(values)],
      warnings: worker.status === 'offline' ? ['It is offline as far as is known, and may not answer.'] : [],
    }),
    sayDone: done => ({
      lines: [done.missing.length ? 'Not answered. It may have got the command all the same: look before asking again.' : done.replies.every(reply => reply.ok) ? 'Done.' : 'The worker refused.'],
      replies: done,
    }),
  }
}
