import type { Worker } from '~/api/types'
import { t } from '~/texts'
import { formatBytes, formatCount, formatSeconds } from './format'
import type { Json } from './python'

/** What a worker has told of itself, sorted as its page shows it. Everything comes from outside, so nothing is taken for granted. */

type Dict = Record<string, Json>

function dictOf(value: unknown): Dict {
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? value as Dict : {}
}

function textOf(value: Json | undefined): string | null {
  if (value === null || value === undefined) return null
  return typeof value === 'object' ? JSON.stringify(value) : String(value)
}

export type Row = [label: string, value: string]

function rowsOf(values: readonly (readonly [string, Json | undefined])[]): Row[] {
  return values.flatMap(([label, value]) => {
    const text = textOf(value)
    return text === null || text === '' ? [] : [[label, text] satisfies Row]
  })
}

export function poolRows(worker: Worker): Row[] {
  const { told } = t.worker
  const pool = dictOf(dictOf(worker.stats).pool)
  const timeouts = Array.isArray(pool.timeouts) ? pool.timeouts : []
  const processes = Array.isArray(pool.processes) ? pool.processes : []
  return rowsOf([
    [told.implementation, pool.implementation], [told.processes, processes.length ? told.processesText(processes.length, processes.map(String).join(', ')) : undefined],
    [told.concurrency, pool['max-concurrency']],
    [told.maxTasks, pool['max-tasks-per-child'] === 'N/A' ? told.unlimited : pool['max-tasks-per-child']],
    [told.soft, timeouts[0] ? `${textOf(timeouts[0])} s` : told.none], [told.hard, timeouts[1] ? `${textOf(timeouts[1])} s` : told.none],
    [told.prefetch, dictOf(worker.stats).prefetch_count],
  ])
}

export function brokerRows(worker: Worker): Row[] {
  const { told } = t.worker
  const broker = dictOf(dictOf(worker.stats).broker)
  return rowsOf([
    [told.transport, broker.transport], [told.host, broker.hostname], [told.port, broker.port], [told.virtualHost, broker.virtual_host], [told.user, broker.userid],
    [told.tls, broker.ssl ? told.yes : told.no], [told.heartbeat, broker.heartbeat],
    [told.connectTimeout, broker.connect_timeout === undefined ? undefined : `${textOf(broker.connect_timeout)} s`], [told.failover, broker.failover_strategy],
  ])
}

const RUSAGE = ['utime', 'stime', 'maxrss', 'minflt', 'majflt', 'inblock', 'oublock', 'nvcsw', 'nivcsw', 'nswap'] as const

function usageOf(key: (typeof RUSAGE)[number], value: Json | undefined): Json | undefined {
  if (typeof value !== 'number') return value
  if (key === 'maxrss') return formatBytes(value * 1024)
  return key === 'utime' || key === 'stime' ? formatSeconds(value) : formatCount(value)
}

export function systemRows(worker: Worker): Row[] {
  const stats = dictOf(worker.stats)
  const rusage = dictOf(stats.rusage)
  return rowsOf([[t.worker.told.pid, stats.pid], [t.worker.told.clock, stats.clock], ...RUSAGE.map(key => [t.worker.rusage[key], usageOf(key, rusage[key])] as const)])
}

export interface ConsumedQueue {
  name: string
  exchange: string
  routingKey: string
  traits: string[]
}

export function consumedQueues(worker: Worker): ConsumedQueue[] {
  const told = Array.isArray(worker.active_queues) ? worker.active_queues as Json[] : []
  if (told.length === 0) return worker.queues.map(name => ({ name, exchange: '–', routingKey: '–', traits: [] }))
  return told.map((entry) => {
    const queue = dictOf(entry)
    const exchange = dictOf(queue.exchange)
    const traits = (['durable', 'exclusive', 'auto_delete', 'no_ack'] as const).filter(trait => queue[trait] === true).map(trait => trait.replace('_', ' '))
    if (queue.alias) traits.push(t.worker.told.alias(textOf(queue.alias)!))
    if (queue.queue_arguments && Object.keys(dictOf(queue.queue_arguments)).length) traits.push(textOf(queue.queue_arguments)!)
    return { name: textOf(queue.name) ?? '–', exchange: [textOf(exchange.name), textOf(exchange.type)].filter(Boolean).join(', ') || '–', routingKey: textOf(queue.routing_key) ?? '–', traits }
  })
}

/** Settings that have a value, in order of their names. */
export function settingsOf(worker: Worker, typed: string): [string, Json][] {
  const wanted = typed.trim().toLowerCase()
  return Object.entries(dictOf(worker.conf)).filter(([key]) => key.toLowerCase().includes(wanted)).sort(([a], [b]) => a.localeCompare(b))
}

/** How often each task was run since the worker's start, as it says itself. */
export function processedByName(worker: Worker): Map<string, number> {
  return new Map(Object.entries(dictOf(dictOf(worker.stats).total)).flatMap(([name, n]) => typeof n === 'number' ? [[name, n]] : []))
}
