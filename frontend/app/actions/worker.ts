import { api, outcome } from '~/api/client'
import type { Worker, WorkerReplies } from '~/api/types'
import type { Action, Field, Values } from '~/lib/action'
import { plural } from '~/lib/format'
import { COMMAND_LABEL, type CommandMethod } from '~/lib/wish'
import { t } from '~/texts'

interface Words {
  fields?: (workers: readonly Worker[], given: Given) => Field[]
  verb: string
  grave?: boolean
  will: (values: Values, workers: readonly Worker[]) => string
  danger?: boolean
}
interface Given { queue?: string, task?: string }

const ADDITIONAL = 'Exchange and routing key'
const text = (values: Values, key: string) => values[key]?.trim() ?? ''
const howMany = (label: string) => (): Field[] => [{ key: 'n', label, kind: 'number', value: '1', required: true, least: 1, most: 1000 }]
const limitOf = (values: Values, which: 'soft' | 'hard') => text(values, which) ? `${which} limit ${text(values, which)} s` : `no ${which} limit`
const task = (workers: readonly Worker[], given: Given): Field => ({ key: 'task_name', label: 'Task', kind: 'text', value: given.task ?? '', required: true, suggestions: allOf(workers, worker => worker.registered) })
const allOf = (workers: readonly Worker[], of: (worker: Worker) => readonly string[]) => [...new Set(workers.flatMap(of))].sort()

const COMMANDS: Record<CommandMethod, Words> = {
  pool_grow: { fields: howMany('Processes to add'), verb: 'Grow pool', will: (values, workers) => `Adds ${plural(Number(values.n), 'process or thread', 'processes or threads')} to the pool.${sayScale(workers, Number(values.n))}` },
  pool_shrink: { fields: howMany('Processes to remove'), verb: 'Shrink pool', will: (values, workers) => `Removes ${plural(Number(values.n), 'process or thread', 'processes or threads')} from the pool once idle.${sayScale(workers, -Number(values.n))}` },
  autoscale: {
    fields: () => [
      { key: 'max', label: 'Max processes', kind: 'number', required: true, least: 0, most: 10_000 },
      { key: 'min', label: 'Min processes', kind: 'number', required: true, least: 0, most: 10_000 },
    ],
    verb: 'Autoscale',
    will: values => `Keeps the pool between ${values.min} and ${values.max} processes. The worker must run with --autoscale.`,
  },
  pool_restart: { verb: 'Restart pool', grave: true, danger: true, will: () => 'Restarts the pool and interrupts running tasks. Requires worker_pool_restarts = True.' },
  add_consumer: {
    fields: () => [
      { key: 'queue', label: 'Queue', kind: 'text', required: true },
      { key: 'exchange', label: 'Exchange', kind: 'text', section: ADDITIONAL, hint: 'same as queue' },
      { key: 'exchange_type', label: 'Exchange type', kind: 'choice', options: ['direct', 'topic', 'fanout', 'headers'], value: 'direct', section: ADDITIONAL },
      { key: 'routing_key', label: 'Routing key', kind: 'text', section: ADDITIONAL, hint: 'same as queue' },
    ],
    verb: 'Consume queue',
    will: values => `The worker will also consume ${text(values, 'queue')}. The queue is created if missing.`,
  },
  cancel_consumer: {
    fields: (workers, given) => [{ key: 'queue', label: 'Queue', kind: 'text', value: given.queue ?? '', required: true, suggestions: allOf(workers, worker => worker.queues) }],
    verb: 'Stop consuming',
    will: values => `The worker will stop consuming ${text(values, 'queue')}. Tasks it already has keep running.`,
  },
  rate_limit: {
    fields: (workers, given) => [task(workers, given), { key: 'rate_limit', label: t.actions.rateLimit, kind: 'text', required: true, hint: t.actions.rateHint, check: text => parseRate(text) === null ? t.actions.rateWrong : null }],
    verb: 'Set rate limit',
    will: values => parseRate(text(values, 'rate_limit')) === '0' ? t.actions.rateRemoved(text(values, 'task_name')) : t.actions.rateSet(text(values, 'task_name'), sayRate(parseRate(text(values, 'rate_limit')) ?? '')),
  },
  time_limit: {
    fields: (workers, given) => [
      task(workers, given),
      { key: 'soft', label: 'Soft time limit (seconds)', kind: 'number', least: 0.001, hint: 'no limit' },
      { key: 'hard', label: 'Hard time limit (seconds)', kind: 'number', least: 0.001, hint: 'no limit' },
    ],
    verb: 'Set time limits',
    will: values => `${text(values, 'task_name')}: ${limitOf(values, 'soft')}, ${limitOf(values, 'hard')}.`,
  },
  enable_events: { verb: 'Enable events', will: () => 'The worker will send task events.' },
  disable_events: { verb: 'Disable events', will: () => 'Kanchi won’t see this worker’s tasks until events are enabled again.' },
  ping: { verb: 'Ping', will: () => 'Checks that the worker responds. Changes nothing.' },
  shutdown: { verb: 'Shut down', grave: true, danger: true, will: () => 'The worker stops after its running tasks finish. Kanchi can’t start it again.' },
}

const UNITS: Record<string, 's' | 'm' | 'h'> = { s: 's', sec: 's', second: 's', seconds: 's', m: 'm', min: 'm', minute: 'm', minutes: 'm', h: 'h', hr: 'h', hour: 'h', hours: 'h' }

/** "100 per minute" as Celery takes it: "100/m"; "0" for no limit; null for what it does not mean. */
export function parseRate(text: string): string | null {
  const plain = text.trim().toLowerCase()
  if (/^(0|none|no limit|unlimited)$/.test(plain)) return '0'
  const [, n, unit] = /^(\d+(?:\.\d+)?)\s*(?:(?:\/|per\b|an?\b)\s*([a-z]+))?$/.exec(plain) ?? []
  if (n === undefined || (unit !== undefined && !UNITS[unit])) return null
  return `${n}/${unit === undefined ? 's' : UNITS[unit]}`
}

function sayRate(rate: string): string {
  const [n = '', unit = ''] = rate.split('/')
  return t.actions.ratePer[unit as 's' | 'm' | 'h'](n)
}

/** Celery's names for the size of a pool: of a pool whose size is unknown, nothing. */
function sizeOf(workers: readonly Worker[]): number | null {
  const [worker] = workers
  const processes = workers.length === 1 ? (worker?.stats as { pool?: { processes?: unknown } } | null)?.pool?.processes : null
  return Array.isArray(processes) ? processes.length : null
}

function sayScale(workers: readonly Worker[], n: number): string {
  const size = sizeOf(workers)
  return size === null || !Number.isFinite(n) ? '' : ` ${t.actions.scale(size, Math.max(0, size + n))}`
}

const NUMBERS = new Set(['n', 'max', 'min', 'soft', 'hard'])

/** What was typed, as the command takes it; what was left empty is left out. */
export function argumentsOf(values: Values): Record<string, unknown> {
  return Object.fromEntries(Object.entries(values)
    .map(([key, value]) => [key, value.trim()] as const)
    .filter(([, value]) => value !== '')
    .map(([key, value]) => [key, NUMBERS.has(key) ? Number(value) : key === 'rate_limit' ? parseRate(value) ?? value : value]))
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
    title: `${COMMAND_LABEL[method]} on ${workers.length === 1 ? workers[0]!.id : plural(workers.length, 'worker')}`,
    verb: words.verb,
    fields: words.fields?.(workers, given) ?? [],
    grave: words.grave ?? false,
    danger: words.danger ?? false,
    plan: values => send(values, true),
    act: values => send(values, false),
    sayPlan: (plan, values) => ({
      lines: [`Sent to ${plan.workers.join(', ')}.`, `${workers.length === 1 ? '' : 'For each worker: '}${words.will(values, workers)}`],
      warnings: offline ? [workers.length === 1 ? 'This worker seems offline and may not respond.' : `${plural(offline, 'of these workers seems', 'of these workers seem')} offline and may not respond.`] : [],
    }),
    sayDone: done => ({
      lines: [done.missing.length
        ? `${workers.length === 1 ? 'No reply' : `${done.missing.length} of ${workers.length} did not reply`}. The command may still have been applied; check before retrying.`
        : done.replies.every(reply => reply.ok) ? 'Done.' : workers.length === 1 ? 'The worker rejected the command.' : `${done.replies.filter(reply => !reply.ok).length} of ${workers.length} rejected it.`],
      replies: done,
    }),
  }
}
