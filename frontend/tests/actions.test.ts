import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { effectScope } from 'vue'
import { actionOf } from '~/actions'
import { sendBody } from '~/actions/send'
import { argumentsOf, parseRate } from '~/actions/worker'
import { useAction } from '~/composables/useAction'
import { problemOf, valuesOf, type Action, type Field } from '~/lib/action'
import type { AuditEntry } from '~/api/types'
import { isStranded } from '~/lib/attention'
import { auditFilterOf, auditFilterToRest, auditFilterToUrl, outcomeOf, titleOfEntry } from '~/lib/audit'
import { exactText, parseExact } from '~/lib/exactJson'
import { inspectedTasks } from '~/lib/inspected'
import { partsOf, sayNewTasks, sayRequest, settledOf } from '~/lib/jobs'
import { pythonScalar } from '~/lib/python'
import { offersOfQueue, offersOfTask, offersOfWorker, offersOfWorkers, offersEverywhere, type Wish } from '~/lib/wish'
import { useActionsStore } from '~/stores/actions'
import { MOST_JOBS, useJobsStore } from '~/stores/jobs'
import { useSelectionStore } from '~/stores/selection'
import { setLanguage } from '~/texts'
import { at, job, queue, task, worker } from './fixtures'

interface Asked { method: string, path: string, query: URLSearchParams, body: string }

/** Answers each request with what `answers` says of its method and path, and notes what was asked. */
function gatewayWith(answers: (asked: Asked) => { status?: number, body: string }) {
  const asked: Asked[] = []
  vi.stubGlobal('useActionsStore', useActionsStore)
  vi.stubGlobal('fetch', async (request: Request) => {
    const url = new URL(request.url)
    const one = { method: request.method, path: url.pathname, query: url.searchParams, body: await request.text() }
    asked.push(one)
    const { status = 200, body } = answers(one)
    return new Response(body, { status, headers: { 'Content-Type': 'application/json' } })
  })
  return asked
}

function begin(wish: Wish) {
  const scope = effectScope()
  const run = scope.run(() => useAction(actionOf(wish, { queues: ['celery', 'mail'], tasks: ['shop.pay'], sources: ['default'] })))!
  return { ...run, stop: () => scope.stop() }
}

const settled = (run: ReturnType<typeof begin>, phase: string) => vi.waitFor(() => expect(run.phase.value).toBe(phase))
const SENT = '{"id":"n","source":"default","arguments_from":"backend","name":"mail.send","queue":"mail","exchange":null,"routing_key":null,"attempt":0,"attempts":[],"warnings":["w"],"action_id":null,"message":{"body":[[1.0,12345678901234567890],{"a":1e2},{}]}}'
const PLAN = '{"count":1200,"by_status":{"failure":1200,"success":0},"by_name":[{"name":"<script>","count":1200}],"refused":[],"checked":1200,"already_retried":0,"rate":20}'

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => setLanguage('en'))
afterEach(() => vi.unstubAllGlobals())

describe('exact JSON', () => {
  it.each(['[1.0,12345678901234567890,1e2,-0.5,7]', '{"a":"1.0","b":null}'])('keeps numbers of %s as they were written', text =>
    expect(exactText(parseExact(text), 0)).toBe(text))
  it('shows such a number in a tree', () => expect(pythonScalar(parseExact('1.0') as number)).toBe('1.0'))
})

describe('what was typed', () => {
  const fields: Field[] = [
    { key: 'n', label: 'How many', kind: 'number', required: true, least: 1, most: 9 }, { key: 'args', label: 'Arguments', kind: 'list', section: 's' }, { key: 'kwargs', label: 'Keywords', kind: 'object' },
  ]
  it.each([
    [{ n: '' }, 'How many is required.'], [{ n: 'x' }, 'How many must be a number.'], [{ n: '0' }, 'How many must be at least 1.'], [{ n: '10' }, 'How many must be at most 9.'],
    [{ n: '1', args: '{}' }, 'Arguments must be a JSON array, e.g. [1, "two"].'], [{ n: '1', kwargs: '[]' }, 'Keywords must be a JSON object, e.g. {"key": 1}.'],
    [{ n: '1', args: '[1]', kwargs: '{}' }, null], [{ n: '1' }, null],
  ])('%o: %s', (values, problem) => expect(problemOf(fields, values)).toBe(problem))
  it('says that a text is invalid JSON', () => expect(problemOf(fields, { n: '1', args: '[1' })).toMatch(/^Arguments is invalid JSON/))
  it('leaves out sections that are not open', () => {
    expect(valuesOf(fields, { n: '1', args: '[]', kwargs: '{}' }, new Set())).toEqual({ n: '1', kwargs: '{}' })
    expect(valuesOf(fields, { n: '1', args: '[]' }, new Set(['s']))).toEqual({ n: '1', args: '[]', kwargs: '' })
  })
})

describe('an action', () => {
  it('shows a retry before it sends it, and sends it once', async () => {
    const asked = gatewayWith(() => ({ body: SENT }))
    const run = begin({ kind: 'retry', task: task({ id: 'a/b', status: 'failure' }) })
    await settled(run, 'ready')
    expect(run.said.value!.lines[0]).toContain('to queue mail. Arguments from: the result backend')
    expect(run.said.value!.message).toContain('12345678901234567890')
    await Promise.all([run.confirm(), run.confirm()])
    expect(asked.map(one => [one.path, one.query.get('dry_run'), one.query.get('force')])).toEqual([['/api/v1/tasks/a%2Fb/retry', 'true', null], ['/api/v1/tasks/a%2Fb/retry', null, null]])
    expect(run.said.value!.link!.text).toBe('n')
    expect(useActionsStore().finished).toBe(1)
  })

  it('says that a task was retried already', async () => {
    gatewayWith(() => ({ body: SENT }))
    const run = begin({ kind: 'retry', task: task({ status: 'failure', retried_as: ['x', 'y'] }) })
    await settled(run, 'ready')
    expect(run.said.value!.warnings).toEqual(['This task was retried 2 times already, last as y.', 'W.'])
  })

  it('sends edited arguments as they stand, filled with those of the message', async () => {
    const asked = gatewayWith(() => ({ body: SENT }))
    const run = begin({ kind: 'retry', task: task({ status: 'started' }) })
    await settled(run, 'ready')
    run.toggle('Edit arguments')
    expect(run.canConfirm.value).toBe(false)
    await settled(run, 'ready')
    await run.confirm()
    expect(asked.at(-1)!.query.get('force')).toBe('true')
    expect(asked.at(-1)!.body.replace(/\s/g, '')).toBe('{"source":"default","args":[1.0,12345678901234567890],"kwargs":{"a":1e2}}')
  })

  it('says why it is refused, and can be asked again', async () => {
    let status = 409
    gatewayWith(() => status === 409 ? { status, body: '{"type":"about:blank","title":"Conflict","status":409,"detail":"the arguments were cut"}' } : { body: SENT })
    const run = begin({ kind: 'retry', task: task({ status: 'failure' }) })
    await vi.waitFor(() => expect(run.failure.value?.text).toBe('The arguments were cut.'))
    expect(run.canConfirm.value).toBe(false)
    status = 200
    await run.look()
    expect(run.failure.value).toBeNull()
    expect(run.canConfirm.value).toBe(true)
  })

  it('offers both calls of a task that was retried with other arguments', async () => {
    const two = SENT.replace('"attempts":[]', '"attempts":[{"retries":0,"args_repr":"(1,)","kwargs_repr":"{}"},{"retries":2,"args_repr":"(3,)","kwargs_repr":"{}"}]')
    const asked = gatewayWith(() => ({ body: two }))
    const run = begin({ kind: 'retry', task: task({ status: 'failure', retries: 2 }) })
    await settled(run, 'ready')
    expect(run.said.value!.lines.slice(1)).toEqual(['First call (sent): (1,) {}', 'Attempt 2: (3,) {}'])
    run.toggle('Source of the arguments')
    run.change('attempt', 'last')
    run.change('arguments', 'backend')
    await settled(run, 'ready')
    await run.confirm()
    expect(['attempt', 'arguments', 'force'].map(key => asked.at(-1)!.query.get(key))).toEqual(['last', 'backend', null])
  })

  it('says where a message goes that an exchange takes', async () => {
    gatewayWith(() => ({ body: SENT.replace('"queue":"mail","exchange":null,"routing_key":null', '"queue":null,"exchange":"tx","routing_key":"a.b"') }))
    const run = begin({ kind: 'retry', task: task({ status: 'failure' }) })
    await settled(run, 'ready')
    expect(run.said.value!.lines[0]).toContain('(mail.send) will be sent to exchange tx with routing key a.b.')
  })

  it('tells everybody when nobody may act here', async () => {
    gatewayWith(() => ({ status: 403, body: '{"type":"about:blank","title":"Forbidden","status":403,"detail":"nobody may act"}' }))
    const run = begin({ kind: 'pause', queue: queue() })
    await vi.waitFor(() => expect(run.failure.value?.status).toBe(403))
    expect(useActionsStore().forbidden).toBe('Nobody may act.')
  })

  it('does not confirm what was shown before something else was typed', async () => {
    const asked = gatewayWith(() => ({ body: '{"action_id":null,"source":"default","method":"pool_grow","arguments":{},"dry_run":true,"replies":[],"missing":[],"workers":["celery@a"],"everybody":false,"note":null}' }))
    const run = begin({ kind: 'command', method: 'pool_grow', workers: [worker()] })
    await settled(run, 'ready')
    run.change('n', '3')
    await run.confirm()
    expect(asked).toHaveLength(1)
    await settled(run, 'ready')
    await run.confirm()
    expect(JSON.parse(asked.at(-1)!.body)).toEqual({ source: 'default', workers: ['celery@a'], arguments: { n: 3 } })
  })

  it('sends what the dry run counted as expected', async () => {
    const asked = gatewayWith(one => ({ body: one.query.get('dry_run') ? PLAN : JSON.stringify(job()), status: one.query.get('dry_run') ? 200 : 202 }))
    const run = begin({ kind: 'bulk', action: 'revoke', of: { filter: { status: ['started'] } } })
    await settled(run, 'ready')
    expect(run.said.value!.counts).toEqual([{ label: 'Skipped', rows: [] }, { label: 'By status', rows: [['Failed', 1200]] }, { label: 'By name', rows: [['<script>', 1200]] }])
    await run.confirm()
    expect(asked).toHaveLength(1)
    run.number.value = '1,200'
    await run.confirm()
    expect(JSON.parse(asked.at(-1)!.body)).toEqual({ action: 'revoke', filter: { status: ['started'] }, expected: 1200 })
    expect(run.said.value!.job!.id).toBe('j')
  })

  it('does nothing to nothing', async () => {
    gatewayWith(() => ({ body: '{"count":0,"by_status":{},"by_name":[],"refused":[],"checked":0,"already_retried":0,"rate":20}' }))
    const run = begin({ kind: 'bulk', action: 'retry', of: { tasks: [task()] } })
    await settled(run, 'ready')
    expect(run.canConfirm.value).toBe(false)
  })

  it('purges up to as many as the dry run found', async () => {
    const asked = gatewayWith(() => ({ body: '{"action_id":null,"waiting":33,"affected":33,"complete":true,"confirmed":[],"missing":[],"refused":[],"note":null}' }))
    const run = begin({ kind: 'purge', queue: queue({ depth: 7 }) })
    await settled(run, 'ready')
    await run.confirm()
    expect(asked.map(one => [one.method, one.query.get('max'), one.query.get('expected')])).toEqual([['DELETE', '1000000000', null], ['DELETE', '33', null]])
  })

  it('removes one message', async () => {
    const asked = gatewayWith(() => ({ body: '{"action_id":null,"waiting":1,"affected":1,"complete":true,"confirmed":[],"missing":[],"refused":[],"note":null}' }))
    const run = begin({ kind: 'removeMessage', queue: queue(), id: 'a/b', name: 'shop.pay' })
    await settled(run, 'ready')
    await run.confirm()
    expect(asked.map(one => [one.method, one.query.get('id'), one.query.get('dry_run')])).toEqual([['DELETE', 'a/b', 'true'], ['DELETE', 'a/b', null]])
  })

  it('forgets answers that come when it is closed', async () => {
    gatewayWith(() => ({ body: SENT }))
    const run = begin({ kind: 'retry', task: task({ status: 'failure' }) })
    run.stop()
    await new Promise(done => setTimeout(done))
    expect(run.said.value).toBeNull()
  })

  it('shows a task before it is sent, with its arguments as they were typed', async () => {
    const asked = gatewayWith(one => ({ body: one.method === 'GET' ? '{"items":[],"next_cursor":null}' : SENT }))
    const run = begin({ kind: 'send', name: 'shop.pay' })
    await settled(run, 'ready')
    run.change('args', '[1.0, 12345678901234567890]')
    run.toggle('Scheduling and priority')
    run.change('queue', 'mail')
    run.change('countdown', '5')
    await settled(run, 'ready')
    await run.confirm()
    expect(asked.filter(one => one.method === 'POST').map(one => one.query.get('dry_run'))).toEqual(['true', 'true', null])
    expect(asked.at(-1)!.body).toBe('{"name":"shop.pay","queue":"mail","args":[1.0, 12345678901234567890],"kwargs":{},"countdown":5}')
    expect(run.said.value!.link!.text).toBe('n')
  })

  it('sends a task to the queue that it was last sent to', async () => {
    const asked = gatewayWith(one => ({ body: one.method === 'GET' ? JSON.stringify({ items: [task({ queue: null }), task({ queue: 'payments' })], next_cursor: null }) : SENT }))
    const run = begin({ kind: 'send', name: 'shop.pay' })
    await settled(run, 'ready')
    await run.confirm()
    expect(asked.map(one => one.method)).toEqual(['GET', 'POST', 'POST'])
    expect(asked.slice(1).map(one => JSON.parse(one.body).queue)).toEqual(['payments', 'payments'])
  })

  it('says of a bulk retry how many are skipped and why, and leaves out what was retried already', async () => {
    const plan = { count: 20, by_status: { failure: 20 }, by_name: [], rate: 20, checked: 20, already_retried: 5, refused: [{ reason: 'the task has not finished', count: 5 }, { reason: 'the arguments can\'t be recovered exactly', count: 3 }] }
    const asked = gatewayWith(one => ({ body: JSON.stringify(JSON.parse(one.body).again ? { ...plan, count: 25, already_retried: 0 } : one.query.get('dry_run') ? plan : job()) }))
    const run = begin({ kind: 'bulk', action: 'retry', of: { tasks: [task()] } })
    await settled(run, 'ready')
    expect(run.said.value!.lines[0]).toBe('12 of 20 tasks will be retried as new tasks with their original arguments.')
    expect(run.said.value!.counts![0]).toEqual({ label: 'Skipped', rows: [['The task has not finished.', 5], ['The arguments can\'t be recovered exactly.', 3]] })
    expect(run.said.value!.warnings).toEqual(['5 tasks were retried already and are left out.'])
    expect(run.fields.value[0]!.key).toBe('again')
    run.change('again', 'yes')
    await settled(run, 'ready')
    expect(run.said.value!.lines[0]).toMatch(/^17 of 25 tasks/)
    expect(run.fields.value[0]!.key).toBe('again')
    expect(JSON.parse(asked.at(-1)!.body).again).toBe(true)
  })

  it('takes a typed number for everything, and for more than a hundred', async () => {
    let count = 3
    gatewayWith(() => ({ body: JSON.stringify({ ...JSON.parse(PLAN), count, checked: count }) }))
    const all = begin({ kind: 'bulk', action: 'retry', of: { filter: {} } })
    await settled(all, 'ready')
    expect([all.needed.value, all.canConfirm.value]).toEqual([3, false])
    all.number.value = '4'
    expect(all.canConfirm.value).toBe(false)
    all.number.value = '3'
    expect(all.canConfirm.value).toBe(true)
    for (const [n, needed] of [[100, null], [101, 101]] as const) {
      count = n
      const run = begin({ kind: 'bulk', action: 'resolve', of: { filter: { status: ['failure'] } } })
      await settled(run, 'ready')
      expect(run.needed.value).toBe(needed)
    }
  })

  it('clears the selection once its job was made', async () => {
    gatewayWith(one => ({ body: one.query.get('dry_run') ? PLAN.replace(/1200/g, '1') : JSON.stringify(job()) }))
    const selection = useSelectionStore()
    selection.toggle(task())
    const run = begin({ kind: 'bulk', action: 'retry', of: { tasks: selection.tasks } })
    await settled(run, 'ready')
    expect(selection.count).toBe(1)
    await run.confirm()
    expect(selection.count).toBe(0)
  })

  it('has red buttons for what stops or deletes, and none for the rest', () => {
    const isRed = (wish: Wish) => Boolean(actionOf(wish, { queues: [], tasks: [], sources: [] }).danger)
    const one = task({ status: 'started' })
    expect((['retry', 'revoke', 'terminate', 'resolve'] as const).map(kind => isRed({ kind, task: one }))).toEqual([false, true, true, false])
    expect((['purge', 'move', 'pause'] as const).map(kind => isRed({ kind, queue: queue() }))).toEqual([true, false, false])
    expect((['shutdown', 'pool_restart', 'pool_grow', 'ping'] as const).map(method => isRed({ kind: 'command', method, workers: [worker()] }))).toEqual([true, true, false, false])
    expect(isRed({ kind: 'bulk', action: 'revoke', of: { tasks: [one] } })).toBe(true)
  })

  it.each([
    ['100 per minute', '100/m'], ['100/min', '100/m'], ['10/s', '10/s'], [' 5 / Hour ', '5/h'], ['1.5 per second', '1.5/s'], ['7', '7/s'], ['10 a minute', '10/m'], ['0', '0'], ['none', '0'],
    ['fast', null], ['10/day', null], ['-1/s', null], ['10 minute', null],
  ])('understands the rate limit %s', (text, rate) => expect(parseRate(text)).toBe(rate))

  it('says what a rate limit may be before it asks anybody', async () => {
    const asked = gatewayWith(() => ({ body: '{}' }))
    const run = begin({ kind: 'command', method: 'rate_limit', workers: [worker()], task: 'shop.pay' })
    run.change('rate_limit', '10/day')
    await vi.waitFor(() => expect(run.problem.value).toBe('Rate limit must be a number per second, minute or hour, such as 100 per minute, 10/s or 5/h; 0 means no limit.'))
    expect(asked).toEqual([])
    expect(argumentsOf({ task_name: 'a', rate_limit: '100 per minute' })).toEqual({ task_name: 'a', rate_limit: '100/m' })
  })

  it('counts the seconds until a sent task expires from when it is sent', () => {
    const body = JSON.parse(sendBody({ name: 'a', args: '[]', expires: '60', unregistered: 'yes', source: 's', priority: '' }, Date.parse(at(0))))
    expect(body).toEqual({ name: 'a', source: 's', args: [], expires: at(60), unregistered: true })
  })

  it('revokes by stamps only what is a JSON object', async () => {
    const asked = gatewayWith(() => ({ body: '{"action_id":null,"replies":[],"missing":[],"workers":["a","b"],"removed":null,"removal":null}' }))
    const run = begin({ kind: 'revokeByHeaders' })
    run.change('headers', '["x"]')
    await vi.waitFor(() => expect(run.problem.value).toMatch(/JSON object/))
    run.change('headers', '{"customer": ["1042"]}')
    run.change('signal', 'KILL')
    await settled(run, 'ready')
    expect(JSON.parse(asked.at(-1)!.body)).toEqual({ headers: { customer: ['1042'] }, terminate: true, signal: 'SIGKILL' })
    expect(asked).toHaveLength(1)
  })

  it('tells several workers of one source at once, and none of several', async () => {
    const asked = gatewayWith(() => ({ body: '{"action_id":null,"source":"default","method":"ping","arguments":{},"dry_run":true,"replies":[],"missing":["b"],"workers":["a","b"],"everybody":false,"note":null}' }))
    const two = [worker({ id: 'a' }), worker({ id: 'b', status: 'offline' })]
    expect(offersOfWorkers([worker(), worker({ source: 'other' })], '')).toEqual([])
    const run = begin(offersOfWorkers(two, 'two').find(offer => offer.key === 'ping')!.wish)
    await settled(run, 'ready')
    expect(run.said.value!.lines[0]).toBe('Sent to a, b.')
    expect(run.said.value!.warnings).toEqual(['1 of these workers seems offline and may not respond.'])
    await run.confirm()
    expect(JSON.parse(asked.at(-1)!.body).workers).toEqual(['a', 'b'])
    expect(run.said.value!.lines[0]).toMatch(/^1 of 2 did not reply/)
  })

  it('leaves out what was left empty in a command', () =>
    expect(argumentsOf({ task_name: ' a ', soft: '1.5', hard: '' })).toEqual({ task_name: 'a', soft: 1.5 }))

  it('speaks the language of the page, in what it asks, does and refuses', async () => {
    const asked = gatewayWith(() => ({ body: SENT }))
    const wish: Wish = { kind: 'retry', task: task({ status: 'failure', name: 'shop.pay', retries: 2 }) }
    await setLanguage('de')
    expect(offersOfTask(task({ status: 'failure' })).map(offer => offer.label)).toEqual(['Wiederholen', 'Als erledigt markieren'])
    const run = begin(wish)
    await settled(run, 'ready')
    expect(run.said.value!.lines[0]).toBe('Ein neuer Task (mail.send) wird gesendet an Queue mail. Argumente aus: Result-Backend.')
    run.toggle('Herkunft der Argumente')
    run.change('attempt', 'last')
    run.change('arguments', 'events')
    await settled(run, 'ready')
    expect(['attempt', 'arguments'].map(key => asked.at(-1)!.query.get(key))).toEqual(['last', 'events'])
    run.toggle('Queue und Zeitplanung')
    run.change('countdown', 'x')
    expect(run.problem.value).toBe('„Countdown (Sekunden)“ muss eine Zahl sein.')
  })

  it('has words for each wish', () => {
    const wishes: Wish[] = [
      ...offersOfTask(task()), ...offersOfTask(task({ status: 'failure' })), ...offersOfTask(task({ status: 'failure', resolved_at: at(0) })),
      ...offersOfQueue(queue()), ...offersOfQueue(queue({ paused: { since: at(0), by: null } })), ...offersOfWorker(worker({ events_enabled: null })), ...offersEverywhere(),
    ].map(offer => offer.wish)
    for (const wish of wishes) {
      const action: Action = actionOf(wish, { queues: [], tasks: [], sources: [] })
      expect(action.title.length * action.verb.length).toBeGreaterThan(0)
    }
    expect(wishes.map(wish => wish.kind)).toEqual(expect.arrayContaining(['retry', 'revoke', 'terminate', 'resolve', 'unresolve', 'pause', 'resume', 'move', 'purge', 'command', 'send', 'revokeByHeaders']))
  })
})

describe('jobs', () => {
  it('are parts of a whole', () => {
    const one = job({ total: 10, done: 4, refused: 1, begun: 2, waiting: 3 })
    expect(partsOf(one)).toEqual([{ state: 'done', n: 4, share: 0.4 }, { state: 'refused', n: 1, share: 0.1 }, { state: 'begun', n: 2, share: 0.2 }, { state: 'waiting', n: 3, share: 0.3 }])
    expect(settledOf(one)).toBe(5)
  })

  it.each([
    [{ success: 17, failure: 3 }, '20 sent, 17 succeeded, 3 failed again'],
    [{ success: 1, started: 2, unseen: 1, orphaned: 1 }, '5 sent, 1 succeeded, 1 lost, 3 not finished'],
    [{}, null], [null, null],
  ])('say how %j fare', (new_tasks, words) => expect(sayNewTasks({ new_tasks: new_tasks as Record<string, number> | null })).toBe(words))

  it('say in words what was asked for', () => {
    expect(sayRequest(job({ request: { action: 'retry', filter: { status: ['failure'], name: ['shop.pay'] }, ids: 0, options: { queue: 'mail' }, again: true } })))
      .toEqual(['Tasks with status: Failed; name: shop.pay', 'sent to queue mail', 'including tasks that were retried already'])
    expect(sayRequest(job({ request: { action: 'revoke', filter: null, ids: 1, options: { terminate: true, signal: 'SIGKILL' } } }))).toEqual(['1 selected task', 'running tasks terminated with SIGKILL'])
    expect(sayRequest(job({ request: { action: 'retry', filter: {}, ids: 0 } }))).toEqual(['Every task, without a filter'])
  })

  it('follow what frames tell, newest first, and are bounded', () => {
    const store = useJobsStore()
    store.apply([job({ id: 'a', created_at: at(1) }), job({ id: 'b', created_at: at(2), state: 'done' })])
    store.apply([job({ id: 'a', created_at: at(1), done: 3 })])
    expect(store.jobs.map(one => [one.id, one.done])).toEqual([['b', 0], ['a', 3]])
    expect(store.underWay.map(one => one.id)).toEqual(['a'])
    store.apply(Array.from({ length: MOST_JOBS + 9 }, (_, i) => job({ id: `j${i}`, created_at: at(10 + i) })))
    expect(store.jobs).toHaveLength(MOST_JOBS)
    expect(store.byId.has('a')).toBe(false)
  })
})

describe('what a worker has in hand', () => {
  it.each([
    [[{ id: 'a', name: 'n', args: [1], kwargs: {}, time_start: 2, worker_pid: 7 }], { id: 'a', name: 'n', call: '[1]', eta: null, startedAt: 2000, pid: 7 }],
    [[{ eta: 'e', request: { id: 'b', name: 'n', args: '(1,)', kwargs: '{}' } }], { id: 'b', name: 'n', call: '(1,)', eta: 'e', startedAt: null, pid: null }],
    [['c'], { id: 'c', name: null, call: '', eta: null, startedAt: null, pid: null }],
    [[null], { id: '', name: null, call: '', eta: null, startedAt: null, pid: null }],
  ])('%j', (value, first) => expect(inspectedTasks(value)![0]).toEqual(first))
  it('is not known when it is no list', () => expect(inspectedTasks({ error: 'x' })).toBeNull())
})

describe('the audit', () => {
  const entry = (part: Partial<AuditEntry> = {}): AuditEntry => ({ id: 'i', verb: 'command', method: 'pool_grow', begun_at: at(0), ended_at: at(1), outcome: 'done', ...part })
  it('has its filter in the URL, without what makes no sense', () => {
    const filter = auditFilterOf({ action: 'purge', target: ['mail'], actor: null, source: 'x'.repeat(5000) })
    expect(filter).toEqual({ action: 'purge', target: 'mail', actor: '', source: 'x'.repeat(1024) })
    expect(auditFilterToUrl(auditFilterOf({ action: '<script>' }))).toEqual({})
    expect(auditFilterToRest({ ...filter, source: '' })).toEqual({ action: ['purge'], target: 'mail' })
  })
  it.each([
    [entry(), 'Grow pool', 'succeeded'], [entry({ method: 'from_the_future' }), 'from_the_future', 'succeeded'], [entry({ verb: 'bulk', outcome: 'partly' }), 'Bulk job', 'partly done'],
    [entry({ verb: 'purge', outcome: 'unknown', ended_at: null }), 'Purge', 'in progress or interrupted'], [entry({ verb: 'none', outcome: 'unknown' }), 'None', 'unknown'],
  ])('says what was done and what became of it', (one, title, text) => expect([titleOfEntry(one), outcomeOf(one).text]).toEqual([title, text]))
})

describe('a paused queue', () => {
  it('is not stranded: that is what was asked for', () => expect(isStranded(queue({ depth: 3, paused: { since: at(0), by: null } }))).toBe(false))
})
