import { api, outcome } from '~/api/client'
import type { Worker, WorkerReplies } from '~/api/types'
import type { Action, Field, Values } from '~/lib/action'
import { plural } from '~/lib/format'
import { COMMAND_LABEL, type CommandMethod } from '~/lib/wish'

interface Words {
  fields?: (workers: readonly Worker[], given: Given) => Field[]
  verb: string
  grave?: boolean
  will: (values: Values) => string
}
interface Given { queue?: string, task?: string }

const ADDITIONAL = 'Exchange and routing key'
const text = (values: Values, key: string) => values[key]?.trim() ?? ''
const howMany = (): Field[] => [{ key: 'n', label: 'How many', kind: 'number', value: '1', required: true, least: 1, most: 1000 }]
const task = (workers: readonly Worker[], given: Given): Field => ({ key: 'task_name', label: 'Task', kind: 'text', value: given.task ?? '', required: true, suggestions: allOf(workers, worker => worker.registered) })
const allOf = (workers: readonly Worker[], of: (worker: Worker) => readonly string[]) => [...new Set(workers.flatMap(of))].sort()

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
    fields: (workers, given) => [{ key: 'queue', label: 'Queue', kind: 'text', value: given.queue ?? '', required: true, suggestions: allOf(workers, worker => worker.queues) }],
    verb: 'Cancel it',
    will: values => `It consumes from ${text(values, 'queue')} no more. Tasks that it has already go on.`,
  },
  rate_limit: {
    fields: (workers, given) => [task(workers, given), { key: 'rate_limit', label: 'Tasks', kind: 'text', required: true, hint: '10/s, 100/m, 5/h; 0 for no limit' }],
    verb: 'Set the limit',
    will: values => text(values, 'rate_limit') === '0' ? `It starts ${text(values, 'task_name')} as often as it can.` : `It starts ${text(values, 'task_name')} at most ${text(values, 'rate_limit')}.`,
  },
  time_limit: {
    fields: (workers, given) => [
      task(workers, given),
      { key: 'soft', label: 'Seconds until SoftTimeLimitExceeded is raised', kind: 'number', least: 0.001, hint: 'no limit' },
      { key: 'hard', label: 'Seconds until its process is killed', kind: 'number', least: 0.001, hint: 'no limit' },
    ],
    verb: 'Set the limits',
    will: values => `${text(values, 'task_name')} may run ${text(values, 'soft') || 'without'} s (soft) and ${text(values, 'hard') || 'without'} s (hard) from now on.`.replaceAll('without s', 'without limit'),
  },
  enable_events: { verb: 'Switch on', will: () => 'It sends task events.' },
  disable_events: { verb: 'Switch off', will: () => 'It sends no task events: Kanchi sees nothing of its tasks until they are switched on again.' },
  ping: { verb: 'Ask', will: () => 'It is asked for a sign of life; nothing changes.' },
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

/** All of them are of one source. Each is told the same. */
export function commandWorkers(method: CommandMethod, workers: readonly Worker[], given: Given): Action<WorkerReplies, WorkerReplies> {
  const offline = workers.filter(worker => worker.status === 'offline').length
  const words = COMMANDS[method]
  const send = (values: Values, dryRun: boolean) => outcome(api.POST('/api/v1/commands/{method}', {
    params: { path: { method }, query: dryRun ? { dry_run: 'true' } : {} },
    body: { source: workers[0]!.source, workers: workers.map(worker => worker.id), arguments: argumentsOf(values) as never },
  }))
  return {
    title: `${COMMAND_LABEL[method]}: ${workers.length === 1 ? workers[0]!.id : plural(workers.length, 'worker')}`,
    verb: words.verb,
    fields: words.fields?.(workers, given) ?? [],
    grave: words.grave ?? false,
    plan: values => send(values, true),
    act: values => send(values, false),
    sayPlan: (plan, values) => ({
      lines: [`${plan.workers.length === 1 ? 'One worker is' : `${plan.workers.length} workers are`} told: ${plan.workers.join(', ')}.`, `${workers.length === 1 ? '' : 'Of each: '}${words.will(values)}`],
      warnings: offline ? [workers.length === 1 ? 'It is offline as far as is known, and may not answer.' : `Offline as far as is known, and may not answer: ${offline} of them.`] : [],
    }),
    sayDone: done => ({
      lines: [done.missing.length
        ? `${workers.length === 1 ? 'Not answered' : `${done.missing.length} of ${workers.length} did not answer`}. It may have got the command all the same: look before asking again.`
        : done.replies.every(reply => reply.ok) ? 'Done.' : workers.length === 1 ? 'The worker refused.' : `${done.replies.filter(reply => !reply.ok).length} of ${workers.length} refused.`],
      replies: done,
    }),
  }
}
