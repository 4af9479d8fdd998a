import type { Queue, Task, Worker } from '~/api/types'
import type { LiveFilter } from './tasks/filters'
import { t } from '~/texts'

/** What the viewer wants done. app/actions knows how; it is fetched when the first wish is made. */
export type Wish
  = | { kind: 'retry' | 'revoke' | 'terminate' | 'resolve' | 'unresolve', task: Task }
    | { kind: 'bulk', action: BulkAction, of: BulkChoice }
    | { kind: 'purge' | 'move' | 'pause' | 'resume', queue: Queue }
    | { kind: 'removeMessage', queue: Queue, id: string, name: string | null }
    | { kind: 'command', method: CommandMethod, workers: readonly Worker[], queue?: string, task?: string }
    | { kind: 'send', name?: string }
    | { kind: 'revokeByHeaders' }
    | { kind: 'cancelJob', id: string, left: number }

export type BulkAction = 'retry' | 'revoke' | 'resolve' | 'unresolve'
export type BulkChoice = { tasks: readonly Task[] } | { filter: LiveFilter }

export const COMMANDS = [
  'pool_grow', 'pool_shrink', 'autoscale', 'pool_restart', 'add_consumer', 'cancel_consumer', 'rate_limit', 'time_limit', 'enable_events', 'disable_events', 'ping', 'shutdown',
] as const
export type CommandMethod = (typeof COMMANDS)[number]

/** Something on the screen that can be acted on. */
export interface Offer {
  key: string
  label: string
  wish: Wish
  /** What it acts on, for the palette. */
  detail?: string
}

const ENDED_BADLY = new Set(['failure', 'revoked', 'rejected', 'orphaned'])
const ENDED = new Set([...ENDED_BADLY, 'success'])

export function offersOfTask(task: Task): Offer[] {
  const detail = task.name ?? task.id
  const all: (Offer | false)[] = [
    { key: 'retry', label: t.actions.offer.retry, wish: { kind: 'retry', task }, detail },
    !ENDED.has(task.status) && { key: 'revoke', label: t.actions.offer.revoke, wish: { kind: 'revoke', task }, detail },
    !ENDED.has(task.status) && { key: 'terminate', label: t.actions.offer.terminate, wish: { kind: 'terminate', task }, detail },
    ENDED_BADLY.has(task.status) && (task.resolved_at
      ? { key: 'unresolve', label: t.actions.offer.unresolve, wish: { kind: 'unresolve', task }, detail }
      : { key: 'resolve', label: t.actions.offer.resolve, wish: { kind: 'resolve', task }, detail }),
  ]
  return all.filter(offer => offer !== false)
}

export function offersOfQueue(queue: Queue): Offer[] {
  const detail = queue.name
  return [
    queue.paused ? { key: 'resume', label: t.actions.offer.resume, wish: { kind: 'resume', queue }, detail } : { key: 'pause', label: t.actions.offer.pause, wish: { kind: 'pause', queue }, detail },
    { key: 'move', label: t.actions.offer.move, wish: { kind: 'move', queue }, detail },
    { key: 'purge', label: t.actions.offer.purge, wish: { kind: 'purge', queue }, detail },
  ]
}

/** Those that stand on a tab of the worker's page; the overview has the rest. */
export const COMMANDS_OF_TAB: Record<string, readonly CommandMethod[]> = {
  pool: ['pool_grow', 'pool_shrink', 'autoscale', 'pool_restart'],
  queues: ['add_consumer', 'cancel_consumer'],
  tasks: ['rate_limit', 'time_limit'],
  overview: ['enable_events', 'disable_events', 'ping', 'shutdown'],
}

export function offersOfWorker(worker: Worker, methods: readonly CommandMethod[] = COMMANDS): Offer[] {
  return methods
    .filter(method => !(method === 'enable_events' && worker.events_enabled === true) && !(method === 'disable_events' && worker.events_enabled === false))
    .map(method => ({ key: method, label: t.actions.command[method], wish: { kind: 'command', method, workers: [worker] }, detail: worker.id }))
}

/** A command goes to workers of one source. */
export function offersOfWorkers(workers: readonly Worker[], detail: string): Offer[] {
  if (new Set(workers.map(worker => worker.source)).size !== 1) return []
  return COMMANDS.map(method => ({ key: method, label: t.actions.command[method], wish: { kind: 'command', method, workers }, detail }))
}

/** What can be done wherever one is. */
export function offersEverywhere(): Offer[] {
  return [
    { key: 'send', label: t.actions.offer.send, wish: { kind: 'send' } },
    { key: 'revoke-by-headers', label: t.actions.offer.revokeByHeaders, wish: { kind: 'revokeByHeaders' } },
  ]
}

const BULK_ACTIONS: readonly BulkAction[] = ['retry', 'resolve', 'unresolve', 'revoke']

export function offersOfMany(of: BulkChoice, detail: string): Offer[] {
  const tasks = 'tasks' in of ? of.tasks : null
  const isOffered = (action: BulkAction) => action !== 'unresolve' || !tasks || tasks.some(task => task.resolved_at)
  return BULK_ACTIONS.filter(isOffered).map(action => ({ key: action, label: t.actions.bulk[action].verb, wish: { kind: 'bulk', action, of }, detail }))
}
