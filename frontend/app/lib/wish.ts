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
    { key: 'retry', label: 'Retry', wish: { kind: 'retry', task }, detail },
    !ENDED.has(task.status) && { key: 'revoke', label: 'Revoke', wish: { kind: 'revoke', task }, detail },
    !ENDED.has(task.status) && { key: 'terminate', label: 'Terminate', wish: { kind: 'terminate', task }, detail },
    ENDED_BADLY.has(task.status) && (task.resolved_at
      ? { key: 'unresolve', label: 'Unresolve', wish: { kind: 'unresolve', task }, detail }
      : { key: 'resolve', label: 'Resolve', wish: { kind: 'resolve', task }, detail }),
  ]
  return all.filter(offer => offer !== false)
}

export function offersOfQueue(queue: Queue): Offer[] {
  const detail = queue.name
  return [
    queue.paused ? { key: 'resume', label: 'Resume', wish: { kind: 'resume', queue }, detail } : { key: 'pause', label: 'Pause', wish: { kind: 'pause', queue }, detail },
    { key: 'move', label: 'Move', wish: { kind: 'move', queue }, detail },
    { key: 'purge', label: 'Purge', wish: { kind: 'purge', queue }, detail },
  ]
}

export const COMMAND_LABEL: Record<CommandMethod, string> = {
  pool_grow: 'Grow pool', pool_shrink: 'Shrink pool', autoscale: 'Autoscale', pool_restart: 'Restart pool',
  add_consumer: 'Consume a queue', cancel_consumer: 'Stop consuming a queue', rate_limit: 'Set rate limit', time_limit: 'Set time limits',
  enable_events: 'Enable events', disable_events: 'Disable events', ping: 'Ping', shutdown: 'Shut down',
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
    .map(method => ({ key: method, label: COMMAND_LABEL[method], wish: { kind: 'command', method, workers: [worker] }, detail: worker.id }))
}

/** A command goes to workers of one source. */
export function offersOfWorkers(workers: readonly Worker[], detail: string): Offer[] {
  if (new Set(workers.map(worker => worker.source)).size !== 1) return []
  return COMMANDS.map(method => ({ key: method, label: COMMAND_LABEL[method], wish: { kind: 'command', method, workers }, detail }))
}

/** What can be done wherever one is. */
export const OFFERS_EVERYWHERE: readonly Offer[] = [
  { key: 'send', label: 'Send task', wish: { kind: 'send' } },
  { key: 'revoke-by-headers', label: 'Revoke by stamped headers', wish: { kind: 'revokeByHeaders' } },
]

const BULK_ACTIONS: readonly BulkAction[] = ['retry', 'resolve', 'unresolve', 'revoke']

export function offersOfMany(of: BulkChoice, detail: string): Offer[] {
  const tasks = 'tasks' in of ? of.tasks : null
  const isOffered = (action: BulkAction) => action !== 'unresolve' || !tasks || tasks.some(task => task.resolved_at)
  return BULK_ACTIONS.filter(isOffered).map(action => ({ key: action, label: t.actions.bulk[action].verb, wish: { kind: 'bulk', action, of }, detail }))
}
