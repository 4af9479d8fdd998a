import type { Job, Metrics, Queue, Service, System, Task, TaskEvent, Timeseries, Worker } from '~/api/types'

const NONE = { count: 0, mean: null, min: null, max: null, p50: null, p95: null, p99: null }
export const ZERO = { pending: 0, received: 0, started: 0, success: 0, failure: 0, retry: 0, revoked: 0, rejected: 0, orphaned: 0 }

/** RFC 3339 text of so many seconds into 23 November 2026, 10:00. */
export function at(seconds: number): string {
  return new Date(Date.parse('2026-11-23T10:00:00Z') + seconds * 1000).toISOString()
}

export function task(part: Partial<Task> = {}): Task {
  return {
    id: 'a', source: 'default', name: 'shop.tasks.charge', status: 'received', status_from: 'events', queue: null, exchange: null, routing_key: null,
    args: null, kwargs: null, result: null, args_repr: null, kwargs_repr: null, result_repr: null, truncated: [], shortened: [], error: null, traceback: null,
    worker_id: null, client: null, root_id: null, parent_id: null, retries: 0, eta: null, expires: null, sent_at: null, received_at: at(0), started_at: null,
    succeeded_at: null, failed_at: null, rejected_at: null, revoked_at: null, retried_at: null, completed_at: null, updated_at: at(0), runtime: null, queue_wait: null, clock_skew: null,
    terminated: false, expired: false, revoked_signum: null, resolved_at: null, resolved_by: null, retry_of: null, retried_as: [], ...part,
  }
}

/** Tasks t0, t1, …, each a second newer than the one before. */
export function tasks(n: number, from = 0): Task[] {
  return Array.from({ length: n }, (_, i) => task({ id: `t${from + i}`, received_at: at(from + i), updated_at: at(from + i) }))
}

export function event(type: string, seconds: number, part: Partial<TaskEvent> = {}): TaskEvent {
  return { type, task_id: 'a', source: 'default', timestamp: at(seconds), clock_skew: null, received_at: at(seconds), worker_id: 'celery@a', pid: 1, clock: 1, fields: {}, ...part }
}

export function worker(part: Partial<Worker> = {}): Worker {
  return {
    id: 'celery@a', hostname: 'celery@a', source: 'default', status: 'online', queues: ['celery'], concurrency: 4, prefetch: 16, pool: 'prefork', cpu_percent: null, memory_mb: null,
    load: null, active: 0, processed: 0, registered: [], pid: 1, versions: { software: null, celery: null, system: null }, heartbeat_interval: 2, last_seen: at(0), started_at: at(0),
    inspected_at: null, events_enabled: true, clock_skew: null, conf: null, stats: null, active_queues: null, ...part,
  }
}

export function queue(part: Partial<Queue> = {}): Queue {
  return { name: 'celery', source: 'default', depth: 0, priorities: [], unacked: null, consumers: null, workers: [], measured_at: at(0), history: [], paused: null, ...part }
}

export function job(part: Partial<Job> = {}): Job {
  return {
    id: 'j', action: 'retry', state: 'running', actor: null, rate: 20, options: null, request: {}, created_at: at(0), ended_at: null,
    total: 10, waiting: 10, begun: 0, done: 0, refused: 0, failed: 0, uncertain: 0, cancelled: 0, new_tasks: null, ...part,
  }
}

export function metrics(part: Partial<Metrics> = {}): Metrics {
  return {
    at: at(0), window_seconds: 300, events_per_second: 5, tasks_per_second: 1, tasks: ZERO, counts: ZERO, running: 0, waiting: 0, success_rate: null,
    runtime: NONE, queue_wait: NONE, workers: { online: 0, offline: 0 }, queues: { depth: 0 }, ...part,
  }
}

export function system(part: Partial<System> = {}): System {
  return { version: '0.1.0', time: at(0), services: [], ingestion: {}, findings: [], storage: null, tasks: ZERO, ...part }
}

export function source(part: Partial<System['ingestion'][string]> = {}): System['ingestion'][string] {
  return {
    state: 'connected', broker: 'redis://localhost:6379/0', error: null, events_received: 0, events_invalid: 0, events_lost: 0, events_stored: 0, backlog_events: 0,
    events_duplicate: 0, lag_seconds: 0, gaps: [], spool_bytes: 0, spool_max: 1 << 30, spool_events: 0, spool_dropped: 0, queue_messages: null, queue_bytes_max: 0, since: null, ...part,
  }
}

export function service(name: string, source: string | null = null, part: Partial<Service> = {}): Service {
  return {
    name, id: `${name} ${source}`, source, state: 'ready', version: null, host: null, pid: null, started_at: null, seen_at: at(3600), uptime_seconds: 1, rss_bytes: 1, cpu_seconds: 1, detail: null, ...part,
  }
}

export function timeseries(points: [seconds: number, counts: Partial<typeof ZERO>][], to: number): Timeseries {
  return {
    from: at(0), to: at(to), step_seconds: 60, group_by: null, groups_left_out: 0,
    series: [{ key: null, points: points.map(([seconds, counts]) => ({ at: at(seconds), counts: { ...ZERO, ...counts }, runtime: NONE, queue_wait: NONE })) }],
  }
}
