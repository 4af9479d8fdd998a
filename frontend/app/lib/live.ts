import type { Job, Metrics, Queue, System, Task, Worker } from '~/api/types'
import type { LiveFilter } from './tasks/filters'
import { backoffDelay } from './backoff'

/** A worker as frames have it: without what only GET /workers tells. */
export type LiveWorker = Omit<Worker, 'registered' | 'conf' | 'stats' | 'active_queues'>

/** A bulk job as frames have it. */
export type LiveJob = Omit<Job, 'options' | 'request' | 'new_tasks'> & Partial<Pick<Job, 'new_tasks'>>

/** Frames of /api/v1/ws, as docs/websocket.md describes them. */
export type Frame
  = | { type: 'hello', version: number, server_version: string, time: string, tick_ms: number, max_items: number, feed: 'connected' | 'disconnected' }
    | { type: 'subscribed', topics: Topic[] }
    | { type: 'pong', time: string, id?: string | number }
    | { type: 'task:created' | 'task:updated', items: Task[], omitted: number }
    | { type: 'worker:online' | 'worker:offline' | 'worker:updated', items: LiveWorker[] }
    | { type: 'queue:updated', items: Queue[] }
    | { type: 'job:updated', items: LiveJob[], omitted: number }
    | { type: 'metrics:update', metrics: Metrics }
    | { type: 'system:update', system: System }
    | { type: 'feed', feed: 'connected' | 'disconnected' }
    | { type: 'resync', reason: string, topics: Topic[] }
    | { type: 'error', detail: string }

export const TOPICS = ['tasks', 'workers', 'queues', 'metrics', 'system', 'jobs'] as const
export type Topic = (typeof TOPICS)[number]

export type Connection
  = | { state: 'connecting', attempt: number }
    | { state: 'open', since: number }
    | { state: 'waiting', attempt: number, retryAt: number }

export interface LiveHandlers {
  connection: (connection: Connection) => void
  frame: (frame: Frame) => void
}

/** What the connection needs from the browser; tests bring their own. */
export interface LiveEnvironment {
  open: (url: string) => WebSocket
  now: () => number
  random: () => number
}

const browser: LiveEnvironment = {
  open: url => new WebSocket(url),
  now: () => Date.now(),
  random: () => Math.random(),
}

/**
 * Ask for a sign of life after this much silence, and give the connection up after as much again. The gateway sends
 * figures once a second, so a gateway that stands still or a network that swallows packets is noticed within 4 s.
 */
export const QUIET_MS = 2_000
/** A handshake may take longer: names are looked up, certificates checked. */
const HANDSHAKE_MS = 10_000
const STABLE_MS = 5_000

/**
 * One WebSocket that is opened again for ever, and that says its subscription again each time. It keeps no data:
 * whoever shows something loads it over REST after each `hello` and `resync`.
 */
export class LiveConnection {
  #socket: WebSocket | null = null
  #attempt = 0
  #openedAt = 0
  #timer: ReturnType<typeof setTimeout> | undefined
  #quiet: ReturnType<typeof setTimeout> | undefined
  #subscription: { topics: Topic[], filter?: LiveFilter } = { topics: [] }
  #stopped = true

  constructor(readonly url: string, readonly handlers: LiveHandlers, readonly env: LiveEnvironment = browser) {}

  start(): void {
    if (!this.#stopped) return
    this.#stopped = false
    this.#connect()
  }

  stop(): void {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearTimeout(this.#quiet)
    this.#drop()
  }

  /** Try now instead of at the end of the delay: the viewer asked, or the network came back. */
  retryNow(): void {
    if (this.#stopped || this.#socket) return
    clearTimeout(this.#timer)
    this.#connect()
  }

  subscribe(topics: Topic[], filter?: LiveFilter): void {
    const next = filter && Object.keys(filter).length ? { topics, filter } : { topics }
    if (JSON.stringify(next) === JSON.stringify(this.#subscription)) return
    this.#subscription = next
    this.#sendSubscription()
  }

  #connect(): void {
    this.handlers.connection({ state: 'connecting', attempt: this.#attempt })
    let socket: WebSocket
    try {
      socket = this.env.open(this.url)
    } catch {
      this.#retryLater()
      return
    }
    this.#socket = socket
    socket.onopen = () => {
      this.#openedAt = this.env.now()
      this.#sendSubscription()
      this.#listen()
    }
    socket.onmessage = message => this.#receive(message.data)
    socket.onclose = () => this.#lost(socket)
    socket.onerror = () => { /* close follows */ }
    this.#quiet = setTimeout(() => this.#giveUp(), HANDSHAKE_MS)
  }

  #receive(data: unknown): void {
    this.#listen()
    const frame = parseFrame(data)
    if (!frame) return
    if (frame.type === 'hello') this.handlers.connection({ state: 'open', since: this.#openedAt })
    this.handlers.frame(frame)
  }

  #listen(): void {
    clearTimeout(this.#quiet)
    this.#quiet = setTimeout(() => {
      this.#send({ type: 'ping' })
      this.#quiet = setTimeout(() => this.#giveUp(), QUIET_MS)
    }, QUIET_MS)
  }

  #giveUp(): void {
    const socket = this.#socket
    this.#drop()
    if (socket) this.#lost(socket)
  }

  #lost(socket: WebSocket): void {
    if (this.#socket !== socket && this.#socket !== null) return
    this.#socket = null
    clearTimeout(this.#quiet)
    if (this.#stopped) return
    if (this.#openedAt && this.env.now() - this.#openedAt > STABLE_MS) this.#attempt = 0
    this.#openedAt = 0
    this.#retryLater()
  }

  #retryLater(): void {
    this.#socket = null
    const delay = backoffDelay(this.#attempt++, this.env.random)
    this.handlers.connection({ state: 'waiting', attempt: this.#attempt, retryAt: this.env.now() + delay })
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#connect(), delay)
  }

  #drop(): void {
    const socket = this.#socket
    this.#socket = null
    if (!socket) return
    socket.onopen = socket.onmessage = socket.onclose = socket.onerror = null
    try { socket.close() } catch { /* it was never open */ }
  }

  #sendSubscription(): void {
    this.#send({ type: 'subscribe', ...this.#subscription })
  }

  #send(frame: object): void {
    if (this.#socket?.readyState === 1) this.#socket.send(JSON.stringify(frame))
  }
}

/** Null for what is no frame; the gateway may learn new types, which are passed on and ignored. */
export function parseFrame(data: unknown): Frame | null {
  if (typeof data !== 'string') return null
  try {
    const frame = JSON.parse(data) as Frame
    return frame !== null && typeof frame === 'object' && typeof frame.type === 'string' ? frame : null
  } catch {
    return null
  }
}
