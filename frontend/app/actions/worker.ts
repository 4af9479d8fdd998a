import { api, outcome } from '~/api/client'
import type { Worker, WorkerReplies } from '~/api/types'
import type { Action, Field, Values } from '~/lib/action'
import type { CommandMethod } from '~/lib/wish'
import { t } from '~/texts'

interface Words {
  fields?: (workers: readonly Worker[], given: Given) => Field[]
  verb: string
  grave?: boolean
  will: (values: Values, workers: readonly Worker[]) => string
  danger?: boolean
}
interface Given { queue?: string, task?: string }

const text = (values: Values, key: string) => values[key]?.trim() ?? ''
const howMany = (label: string) => (): Field[] => [{ key: 'n', label, kind: 'number', value: '1', required: true, least: 1, most: 1000 }]
const task = (workers: readonly Worker[], given: Given): Field => ({ key: 'task_name', label: t.actions.field.task, kind: 'text', value: given.task ?? '', required: true, suggestions: allOf(workers, worker => worker.registered) })
const allOf = (workers: readonly Worker[], of: (worker: Worker) => readonly string[]) => [...new Set(workers.flatMap(of))].sort()

/** Made when it is asked for, in the language of the page. */
const commands = (): Record<CommandMethod, Words> => ({
  pool_grow: { fields: howMany(t.actions.field.add), verb: t.actions.command.pool_grow, will: (values, workers) => `${t.actions.will.grow(Number(values.n))}${sayScale(workers, Number(values.n))}` },
  pool_shrink: { fields: howMany(t.actions.field.remove), verb: t.actions.command.pool_shrink, will: (values, workers) => `${t.actions.will.shrink(Number(values.n))}${sayScale(workers, -Number(values.n))}` },
  autoscale: {
    fields: () => [
      { key: 'max', label: t.actions.field.max, kind: 'number', required: true, least: 0, most: 10_000 },
      { key: 'min', label: t.actions.field.min, kind: 'number', required: true, least: 0, most: 10_000 },
    ],
    verb: t.actions.command.autoscale,
    will: values => t.actions.will.autoscale(values.min ?? '', values.max ?? ''),
  },
  pool_restart: { verb: t.actions.command.pool_restart, grave: true, danger: true, will: () => t.actions.will.restart },
  add_consumer: {
    fields: () => [
      { key: 'queue', label: t.actions.queue, kind: 'text', required: true },
      { key: 'exchange', label: t.actions.field.exchange, kind: 'text', section: t.actions.section.exchange, hint: t.actions.hint.asQueue },
      { key: 'exchange_type', label: t.actions.field.exchangeType, kind: 'choice', options: ['direct', 'topic', 'fanout', 'headers'], value: 'direct', section: t.actions.section.exchange },
      { key: 'routing_key', label: t.actions.field.routingKey, kind: 'text', section: t.actions.section.exchange, hint: t.actions.hint.asQueue },
    ],
    verb: t.actions.consumeVerb,
    will: values => t.actions.will.consume(text(values, 'queue')),
  },
  cancel_consumer: {
    fields: (workers, given) => [{ key: 'queue', label: t.actions.queue, kind: 'text', value: given.queue ?? '', required: true, suggestions: allOf(workers, worker => worker.queues) }],
    verb: t.actions.stopConsumingVerb,
    will: values => t.actions.will.stopConsuming(text(values, 'queue')),
  },
  rate_limit: {
    fields: (workers, given) => [task(workers, given), { key: 'rate_limit', label: t.actions.rateLimit, kind: 'text', required: true, hint: t.actions.rateHint, check: text => parseRate(text) === null ? t.actions.rateWrong : null }],
    verb: t.actions.command.rate_limit,
    will: values => parseRate(text(values, 'rate_limit')) === '0' ? t.actions.rateRemoved(text(values, 'task_name')) : t.actions.rateSet(text(values, 'task_name'), sayRate(parseRate(text(values, 'rate_limit')) ?? '')),
  },
  time_limit: {
    fields: (workers, given) => [
      task(workers, given),
      { key: 'soft', label: t.actions.field.soft, kind: 'number', least: 0.001, hint: t.actions.hint.noLimit },
      { key: 'hard', label: t.actions.field.hard, kind: 'number', least: 0.001, hint: t.actions.hint.noLimit },
    ],
    verb: t.actions.command.time_limit,
    will: values => t.actions.will.timeLimits(text(values, 'task_name'), t.actions.will.softLimit(text(values, 'soft')), t.actions.will.hardLimit(text(values, 'hard'))),
  },
  enable_events: { verb: t.actions.command.enable_events, will: () => t.actions.will.enableEvents },
  disable_events: { verb: t.actions.command.disable_events, will: () => t.actions.will.disableEvents },
  ping: { verb: t.actions.command.ping, will: () => t.actions.will.ping },
  shutdown: { verb: t.actions.command.shutdown, grave: true, danger: true, will: () => t.actions.will.shutdown },
})

const UNITS: Record<string, 's' | 'm' | 'h'> = { s: 's', sec: 's', second: 's', seconds: 's', m: 'm', min: 'm', minute: 'm', minutes: 'm', h: 'h', hr: 'h', hour: 'h', hours: 'h' }

/** "100 per minute" as Celery takes it: "100/m"; "0" for no limit; null for what it does not mean. */
export function parseRate(text: string): string | null {
  const plain = text.trim().toLowerCase()
  if (/^(0|none|no limit|unlimited)$/.test(plain)) return '0'
  const [, n, unit] = /^(\d+(?:\.\d+)?)\s*(?:(?:\/|per\b|an?\b)\s*([a-z]+))?$/.exec(plain) ?? []
  if (n === undefined || (unit !== undefined && !UNITS[unit])) return null
  return `${n}/${unit === undefined ? 's' : UNITS[unit]}`
}

/** "100 per minute", of what parseRate returns. */
export function sayRate(rate: string): string {
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

function sayOutcome(done: WorkerReplies, asked: number): string {
  const { said } = t.actions
  if (done.missing.length) return asked === 1 ? said.noReply : said.noReplyOf(done.missing.length, asked)
  const rejected = done.replies.filter(reply => !reply.ok).length
  if (rejected === 0) return said.done
  return asked === 1 ? said.rejected : said.rejectedBy(rejected, asked)
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
  const words = commands()[method]
  const send = (values: Values, dryRun: boolean) => outcome(api.POST('/api/v1/commands/{method}', {
    params: { path: { method }, query: dryRun ? { dry_run: 'true' } : {} },
    body: { source: workers[0]!.source, workers: workers.map(worker => worker.id), arguments: argumentsOf(values) as never },
  }))
  return {
    title: t.actions.title.command(t.actions.command[method], workers.length === 1 ? workers[0]!.id : t.common.workers(workers.length)),
    verb: words.verb,
    fields: words.fields?.(workers, given) ?? [],
    grave: words.grave ?? false,
    danger: words.danger ?? false,
    plan: values => send(values, true),
    act: values => send(values, false),
    sayPlan: (plan, values) => ({
      lines: [t.actions.will.sentTo(plan.workers.join(', ')), workers.length === 1 ? words.will(values, workers) : t.actions.will.each(words.will(values, workers))],
      warnings: offline ? [workers.length === 1 ? t.actions.will.offlineOne : t.actions.will.offline(offline)] : [],
    }),
    sayDone: done => ({
      lines: [sayOutcome(done, workers.length)],
      replies: done,
    }),
  }
}
