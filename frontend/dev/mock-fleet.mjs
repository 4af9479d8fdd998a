// Invented tasks, workers and queues that behave like a shop's Celery. Shapes as in gateway/openapi.json.
import { randomUUID } from 'node:crypto'

const STATUSES = ['pending', 'received', 'started', 'success', 'failure', 'retry', 'revoked', 'rejected', 'orphaned']
const MOST_TASKS = 20_000
const HISTORY_MINUTES = 180

const KINDS = [
  { name: 'shop.tasks.charge', queue: 'payments', weight: 10, runtime: 0.7, fail: 0.04, args: () => [int(9000), pick(['EUR', 'USD', 'JPY'])], kwargs: () => ({ amount: int(20000) / 100, capture: true }), result: () => ({ ok: true, charge: `ch_${hex(12)}` }), errors: ['CardDeclined(\'insufficient funds\')', 'GatewayTimeout(\'stripe did not answer within 10 s\')'] },
  { name: 'shop.tasks.refund', queue: 'payments', weight: 2, runtime: 1.2, fail: 0.02, args: () => [int(9000)], kwargs: () => ({ reason: pick(['damaged', 'too late', 'zu groß', '返品']) }), result: () => true, errors: ['LedgerMismatch(\'balance is 0.00\')'] },
  { name: 'mail.send_receipt', queue: 'mail', weight: 14, runtime: 0.12, fail: 0.01, args: () => [`anna.${int(999)}@example.com`, int(9000)], kwargs: () => ({ locale: pick(['de_DE', 'ja_JP', 'ar_EG']), attachments: ['receipt.pdf'] }), result: () => null, errors: ['SMTPServerDisconnected(\'Connection unexpectedly closed\')'] },
  { name: 'images.make_thumbnails', queue: 'media', weight: 6, runtime: 3.4, fail: 0.03, args: () => [`s3://media/in/${hex(8)}.jpg`], kwargs: () => ({ sizes: [[120, 120], [480, 320], [1920, 1080]], quality: 82 }), result: () => ({ files: ['120.webp', '480.webp', '1920.webp'], bytes: int(900000) }), errors: ['UnidentifiedImageError("cannot identify image file <_io.BytesIO object at 0x7f3c>")'] },
  { name: 'reports.build_monthly', queue: 'reports', weight: 1, runtime: 24, fail: 0.06, args: () => ['2026-10'], kwargs: () => ({ tenants: [int(40), int(40), int(40)], format: 'xlsx' }), result: () => `reports/2026-10/${hex(6)}.xlsx`, errors: ['MemoryError()'] },
  { name: 'search.index_product', queue: 'celery', weight: 16, runtime: 0.05, fail: 0.005, args: () => [int(100000)], kwargs: () => ({}), result: () => ({ indexed: 1 }), errors: ['ConnectionError(\'search-1:9200 refused\')'] },
]
const WORKERS = [
  ['celery@payments-1', ['payments'], 8, 'prefork'], ['celery@payments-2', ['payments'], 8, 'prefork'],
  ['celery@mail-1', ['mail', 'celery'], 16, 'threads'], ['celery@media-1', ['media'], 4, 'prefork'],
  ['celery@media-2', ['media'], 4, 'prefork'], ['celery@general-1', ['celery', 'mail'], 10, 'gevent'],
]
const QUEUES = ['celery', 'payments', 'mail', 'media', 'reports', 'dead-letters']

const int = n => Math.floor(Math.random() * n)
const pick = list => list[int(list.length)]
const hex = n => randomUUID().replaceAll('-', '').slice(0, n)
const iso = ms => new Date(ms).toISOString().replace('Z', `${String(int(1000)).padStart(3, '0')}Z`)
const exponential = mean => -Math.log(1 - Math.random()) * mean
const zero = () => Object.fromEntries(STATUSES.map(status => [status, 0]))
const none = () => ({ count: 0, mean: null, min: null, max: null, p50: null, p95: null, p99: null })

function repr(value, tuple = false) {
  if (value === null) return 'None'
  if (value === true) return 'True'
  if (value === false) return 'False'
  if (typeof value === 'string') return `'${value}'`
  if (typeof value === 'number') return String(value)
  if (Array.isArray(value)) {
    const inside = value.map(one => repr(one)).join(', ')
    return tuple ? `(${inside}${value.length === 1 ? ',' : ''})` : `[${inside}]`
  }
  return `{${Object.entries(value).map(([key, one]) => `'${key}': ${repr(one)}`).join(', ')}}`
}

const TRACEBACK = error => `Traceback (most recent call last):
  File "/opt/shop/venv/lib/python3.11/site-packages/celery/app/trace.py", line 479, in trace_task
    R = retval = fun(*args, **kwargs)
                 ^^^^^^^^^^^^^^^^^^^^
  File "/opt/shop/venv/lib/python3.11/site-packages/celery/app/trace.py", line 779, in __protected_call__
    return self.run(*args, **kwargs)
           ^^^^^^^^^^^^^^^^^^^^^^^^^
  File "/opt/shop/src/shop/tasks.py", line 88, in charge
    receipt = gateway.capture(order, amount=amount)
  File "/opt/shop/src/shop/gateway.py", line 41, in capture
    raise ${error.split('(')[0]}(answer.reason)
shop.errors.${error.replace(/\('/, ': ').replace(/'\)$/, '')}
`

export function createFleet({ rate, empty, sources }) {
  const tasks = []
  const byId = new Map()
  const events = new Map()
  const buckets = new Map()
  const watchers = new Set()
  const created = []
  const updated = new Map()
  const started = Date.now()
  let eventCount = 0
  const rateNow = []

  const sourceNames = ['default', 'warehouse'].slice(0, Math.max(1, sources))
  const kinds = KINDS.flatMap(kind => Array(kind.weight).fill(kind))

  function bucket(ms) {
    const minute = Math.floor(ms / 60000) * 60000
    if (!buckets.has(minute)) buckets.set(minute, { counts: zero(), runtimes: [] })
    return buckets.get(minute)
  }

  function note(task, type, ms, fields = {}) {
    eventCount++
    rateNow.push(Date.now())
    const list = events.get(task.id) ?? []
    list.push({ type, task_id: task.id, source: task.source, timestamp: iso(ms), received_at: iso(ms + 2), worker_id: type === 'task-sent' ? 'web@shop-1' : task.worker_id, pid: type === 'task-sent' ? 311 : 4711, clock: eventCount, fields })
    events.set(task.id, list)
    task.updated_at = iso(ms)
  }

  function create(ms, root = null) {
    const kind = pick(kinds)
    const [args, kwargs] = [kind.args(), kind.kwargs()]
    const long = Math.random() < 0.02
    const task = {
      id: randomUUID(), source: pick(sourceNames), name: kind.name, status: 'pending', status_from: 'events', queue: kind.queue, exchange: '', routing_key: kind.queue,
      args: long ? null : args, kwargs, result: null, args_repr: long ? `(${repr(args[0])}, '${'lorem ipsum '.repeat(80)}...` : repr(args, true), kwargs_repr: repr(kwargs), result_repr: null,
      truncated: long ? ['args'] : [], shortened: [], error: null, traceback: null, worker_id: null, client: 'web@shop-1', root_id: null, parent_id: null, retries: 0,
      eta: null, expires: null, sent_at: iso(ms), received_at: null, started_at: null, succeeded_at: null, failed_at: null, rejected_at: null, revoked_at: null, retried_at: null,
      completed_at: null, updated_at: iso(ms), runtime: null, queue_wait: null, terminated: false, expired: false, revoked_signum: null,
    }
    task.root_id = root?.root_id ?? task.id
    task.parent_id = root?.id ?? null
    Object.defineProperty(task, 'kind', { value: kind, enumerable: false })
    tasks.push(task)
    byId.set(task.id, task)
    if (tasks.length > MOST_TASKS) { const old = tasks.shift(); byId.delete(old.id); events.delete(old.id) }
    bucket(ms).counts.pending++
    note(task, 'task-sent', ms, { name: task.name, args: task.args_repr, kwargs: task.kwargs_repr, queue: task.queue, routing_key: task.queue, retries: 0 })
    return task
  }

  const reached = (task, status, ms) => { task.status = status; bucket(ms).counts[status]++ }

  /** The whole life of a task as a list of [time, what happens then]. */
  function life(task, ms) {
    const kind = task.kind
    const worker = pick(WORKERS.filter(([, queues]) => queues.includes(kind.queue)))?.[0]
    if (!worker) return []
    const wait = 0.004 + exponential(kind.queue === 'media' ? 2.5 : 0.15)
    const runtime = 0.002 + exponential(kind.runtime)
    const steps = [[ms + 3, (at) => { task.worker_id = worker; task.received_at = iso(at); reached(task, 'received', at); note(task, 'task-received', at, { name: task.name, root_id: task.root_id }) }]]
    if (Math.random() < 0.006) return [...steps, [ms + wait * 1000, (at) => { task.revoked_at = task.completed_at = iso(at); task.expired = true; reached(task, 'revoked', at); note(task, 'task-revoked', at, { expired: true }) }]]
    steps.push([ms + wait * 1000, (at) => { task.started_at = iso(at); task.queue_wait = wait; reached(task, 'started', at); note(task, 'task-started', at) }])
    let end = ms + (wait + runtime) * 1000
    if (Math.random() < kind.fail) {
      const error = pick(kind.errors)
      if (Math.random() < 0.5) {
        steps.push([end, (at) => { task.retried_at = iso(at); task.retries++; task.error = error; reached(task, 'retry', at); note(task, 'task-retried', at, { exception: error }) }])
        steps.push([end + 4000, (at) => { task.started_at = iso(at); reached(task, 'started', at); note(task, 'task-started', at) }])
        end += 4000 + runtime * 1000
      }
      if (Math.random() < 0.75) {
        steps.push([end, (at) => { task.error = error; task.traceback = TRACEBACK(error); task.failed_at = task.completed_at = iso(at); reached(task, 'failure', at); note(task, 'task-failed', at, { exception: error }) }])
        return steps
      }
    }
    steps.push([end, (at) => {
      const result = kind.result()
      Object.assign(task, { result, result_repr: repr(result), runtime, error: null })
      task.succeeded_at = task.completed_at = iso(at)
      reached(task, 'success', at)
      bucket(at).runtimes.push(runtime)
      note(task, 'task-succeeded', at, { result: task.result_repr, runtime })
      if (Math.random() < 0.1) schedule(create(at, task), at)
    }])
    return steps
  }

  /** What is to happen, by tenth of a second; `done` is the last one that is over. */
  const agenda = new Map()
  let done = Math.floor((Date.now() - 160_000) / 100)
  function schedule(task, ms) {
    if (Date.now() - ms < 1000) created.push(task)
    for (const [at, act] of life(task, ms)) {
      const slot = Math.max(done + 1, Math.floor(at / 100))
      if (!agenda.has(slot)) agenda.set(slot, [])
      agenda.get(slot).push([at, task, act])
    }
  }
  function advance(now) {
    while (done < Math.floor(now / 100) - 1) {
      const acts = agenda.get(done + 1) ?? []
      agenda.delete(++done)
      for (const [at, task, act] of acts.sort((a, b) => a[0] - b[0])) {
        act(at)
        updated.set(task.id, task)
      }
    }
  }

  if (!empty) {
    const begin = Date.now() - HISTORY_MINUTES * 60000
    for (let ms = begin; ms < Date.now() - 60000; ms += 60000) {
      const wave = 0.75 + 0.35 * Math.sin(ms / 1.9e6) + Math.random() * 0.1
      const entry = bucket(ms)
      const n = Math.round(rate * 60 * wave)
      entry.counts.success = n
      entry.counts.failure = Math.round(n * (0.008 + (Math.sin(ms / 9e5) > 0.93 ? 0.08 : 0)))
      entry.counts.retry = Math.round(n * 0.012)
      entry.counts.revoked = Math.round(n * 0.004)
    }
    for (let ms = Date.now() - 150_000; ms < Date.now(); ms += 1000 / Math.min(rate, 40)) { schedule(create(ms), ms); advance(ms) }
    created.length = 0
  }

  const active = id => tasks.slice(-Math.min(3000, 30 * rate)).filter(task => task.worker_id === id && task.status === 'started').length
  function worker([id, queues, concurrency, pool], i) {
    const offline = i === 4
    return {
      id, hostname: id, source: 'default', status: offline ? 'offline' : 'online', queues, concurrency, prefetch: concurrency * 4, pool,
      cpu_percent: offline ? null : 20 + 40 * Math.abs(Math.sin(Date.now() / 9000 + i)), memory_mb: 88 + i * 7.3, load: [0.8 + i / 5, 0.7 + i / 6, 0.66], active: offline ? 0 : Math.min(concurrency, active(id)),
      processed: 18211 + Math.floor((Date.now() - started) / 400) * (i + 1), registered: KINDS.map(kind => kind.name), pid: 4711 + i,
      versions: { software: 'py-celery', celery: '5.6.3', system: 'Linux' }, heartbeat_interval: 2, last_seen: iso(offline ? started - 900_000 : Date.now() - int(1800)), started_at: iso(started - 7_600_000),
      inspected_at: iso(Date.now() - 30_000), events_enabled: true, conf: null, stats: null, active_queues: null,
    }
  }
  const workers = () => empty ? [] : WORKERS.map(worker)
  function getWorker(id) {
    const found = workers().find(one => one.id === id)
    return found && { ...found, conf: { broker_url: 'redis://:********@redis:6379/0', task_acks_late: true, worker_prefetch_multiplier: 4, task_routes: { 'shop.*': { queue: 'payments' } } }, stats: { total: { 'shop.tasks.charge': 1822 }, pool: { 'max-concurrency': found.concurrency, 'processes': [4712, 4713] }, rusage: { utime: 81.2, stime: 7.9, maxrss: 94208 } } }
  }

  const depths = new Map(QUEUES.map((name, i) => [name, [17, 4, 42, 230, 12, 3][i]]))
  function queue(name) {
    const now = depths.get(name)
    return { name, source: 'default', depth: now, priorities: name === 'payments' ? [{ priority: 0, depth: Math.ceil(now * 0.7) }, { priority: 3, depth: Math.floor(now * 0.3) }] : [], unacked: null, consumers: null, workers: workers().filter(one => one.status === 'online' && one.queues.includes(name)).map(one => one.id), measured_at: iso(Date.now()), history: [] }
  }
  const queues = () => empty ? [] : QUEUES.map(queue)
  function getQueue(name) {
    if (!depths.has(name) || empty) return null
    const base = depths.get(name)
    return { ...queue(name), history: Array.from({ length: 360 }, (_, i) => ({ at: iso(Date.now() - (360 - i) * 10_000), depth: Math.max(0, Math.round(base * (0.8 + 0.5 * Math.sin(i / 23)) + int(6))), unacked: null, consumers: null })) }
  }

  const list = (query, key) => query.getAll ? query.getAll(key) : [query[key] ?? []].flat()
  const one = (query, key) => query.get ? query.get(key) : query[key]
  function matches(task, query) {
    for (const [key, field] of [['status', 'status'], ['name', 'name'], ['worker', 'worker_id'], ['queue', 'queue'], ['source', 'source']]) {
      const wanted = list(query, key)
      if (wanted.length && !wanted.includes(task[field])) return false
    }
    const q = one(query, 'q')?.toLowerCase()
    if (q && ![task.id, task.name, task.args_repr, task.kwargs_repr, task.result_repr, task.error].some(text => text?.toLowerCase().includes(q))) return false
    const [from, to] = [one(query, 'from'), one(query, 'to')]
    return (!from || task.sent_at >= from) && (!to || task.sent_at < to)
  }

  function listTasks(query) {
    const limit = Number(query.get('limit') ?? 50)
    const at = Number(query.get('cursor') ?? 0)
    const found = tasks.filter(task => matches(task, query))
    if (query.get('sort') !== 'received_at') found.reverse()
    const after = at ? found.findIndex(task => tasks.indexOf(task) === at - 1) + 1 : 0
    const items = found.slice(after, after + limit)
    return { items, next_cursor: after + limit < found.length ? String(tasks.indexOf(items.at(-1)) + 1) : null }
  }

  function metrics() {
    const counts = zero()
    const runtimes = []
    for (const [minute, entry] of buckets) {
      if (Date.now() - minute > 300_000) continue
      for (const status of STATUSES) counts[status] += entry.counts[status]
      runtimes.push(...entry.runtimes)
    }
    const now = zero()
    for (const task of tasks) now[task.status]++
    while (rateNow.length && Date.now() - rateNow[0] > 5000) rateNow.shift()
    const ended = counts.success + counts.failure + counts.revoked
    runtimes.sort((a, b) => a - b)
    const at = p => runtimes[Math.floor(p * (runtimes.length - 1))] ?? null
    return {
      at: iso(Date.now()), window_seconds: 300, events_per_second: rateNow.length / 5, tasks_per_second: rateNow.length / 20, tasks: now, counts,
      running: now.started, waiting: now.pending + now.received + now.retry, success_rate: ended ? counts.success / ended : null,
      runtime: { count: runtimes.length, mean: at(0.6), min: at(0), max: at(1), p50: at(0.5), p95: at(0.95), p99: at(0.99) }, queue_wait: none(),
      workers: { online: workers().filter(one => one.status === 'online').length, offline: workers().filter(one => one.status === 'offline').length },
      queues: { depth: empty ? 0 : [...depths.values()].reduce((a, b) => a + b, 0) },
    }
  }

  function timeseries(query) {
    const seconds = /^(\d+)([smhd]?)$/.exec(query.get('step') ?? '1m')
    const step = Number(seconds[1]) * { '': 1, 's': 1, 'm': 60, 'h': 3600, 'd': 86400 }[seconds[2]] * 1000
    const from = Math.floor(Date.parse(query.get('from')) / step) * step
    const to = Math.ceil(Date.parse(query.get('to')) / step) * step
    const points = new Map()
    for (const [minute, entry] of buckets) {
      if (minute < from || minute >= to) continue
      const at = Math.floor(minute / step) * step
      const point = points.get(at) ?? { at: iso(at), counts: zero(), runtime: none(), queue_wait: none() }
      for (const status of STATUSES) point.counts[status] += entry.counts[status]
      points.set(at, point)
    }
    return { from: new Date(from).toISOString(), to: new Date(to).toISOString(), step_seconds: step / 1000, group_by: null, series: [{ key: null, points: [...points.entries()].sort((a, b) => a[0] - b[0]).map(([, point]) => point) }], groups_left_out: 0 }
  }

  function system() {
    const service = (name, i, source = null) => ({ name, id: `${name}-1`, source, state: 'ready', version: '0.1.0', host: 'monitor-1', pid: 812 + i, started_at: iso(started), seen_at: iso(Date.now()), uptime_seconds: (Date.now() - started) / 1000, rss_bytes: 12_000_000 + i * 4_100_000, cpu_seconds: (Date.now() - started) / 9000, detail: null })
    return {
      version: '0.1.0', time: new Date().toISOString(),
      services: [service('gateway', 0), service('storage', 1), service('aggregation', 2), ...sourceNames.flatMap((name, i) => [service('ingestion', 3 + i, name), service('control', 5 + i, name)])],
      ingestion: Object.fromEntries(sourceNames.map((name, i) => [name, { state: 'connected', broker: `redis://redis-${i}:6379/0`, error: null, events_received: eventCount, events_invalid: empty ? 0 : 2, events_lost: 0, events_stored: eventCount, backlog_events: 0, events_duplicate: 0, lag_seconds: 0.004, gaps: [], spool_bytes: 0, spool_max: 1 << 30, spool_events: 0, spool_dropped: 0, queue_messages: null, queue_bytes_max: 0 }])),
      findings: empty ? [] : [{ severity: 'warning', code: 'queue_without_consumer', source: 'default', subject: 'reports', text: 'Messages wait in the queue reports, and no worker that is online consumes it.', remedy: 'celery -A shop worker --queues reports' }],
      storage: { backend: 'sqlite', server_version: '3.40.1', timescaledb: false, tasks: empty ? 0 : 181_535 + tasks.length, events: eventCount, bytes: 301_989_888, feed: 'b7c1', feed_number: eventCount, schema_version: 1 },
      tasks: metrics().tasks,
    }
  }

  const emit = frame => watchers.forEach(watcher => watcher(frame))
  setInterval(() => {
    if (empty) return
    const now = Date.now()
    for (let i = 0; i < rate / 5; i++) if (Math.random() < Math.min(1, rate / 5 - i)) schedule(create(now - int(150)), now)
    advance(now)
    const fresh = created.splice(0)
    const freshIds = new Set(fresh.map(task => task.id))
    const changed = [...updated.values()].filter(task => !freshIds.has(task.id))
    updated.clear()
    if (fresh.length) emit({ type: 'task:created', items: fresh, omitted: 0 })
    if (changed.length) emit({ type: 'task:updated', items: changed, omitted: 0 })
  }, 200).unref()
  setInterval(() => emit({ type: 'metrics:update', metrics: metrics() }), 1000).unref()
  setInterval(() => {
    emit({ type: 'system:update', system: system() })
    for (const [name, depth] of depths) if (name !== 'dead-letters') depths.set(name, Math.max(0, Math.round(depth + (Math.random() - 0.5) * (3 + depth * 0.12))))
    emit({ type: 'queue:updated', items: queues().map(one => ({ ...one, workers: undefined, history: undefined })) })
    emit({ type: 'worker:updated', items: workers().map(one => ({ ...one, registered: undefined, conf: undefined, stats: undefined, active_queues: undefined })) })
  }, 2000).unref()

  return {
    listTasks, matches, metrics, timeseries, system, workers, getWorker, queues, getQueue,
    getTask: id => byId.get(id) ?? null,
    listEvents: id => byId.has(id) ? { items: events.get(id) ?? [], next_cursor: null } : null,
    watch(watcher) { watchers.add(watcher); return () => watchers.delete(watcher) },
  }
}
