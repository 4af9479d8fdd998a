import { describe, expect, it } from 'vitest'
import type { Stale } from '~/lib/freshness'
import { isStranded } from '~/lib/attention'
import { stateOf, verdictOf, type Situation } from '~/lib/verdict'
import { remedyOf } from '~/lib/health'
import { at, metrics, queue, service, source, system, worker, ZERO } from './fixtures'

const NOW = Date.parse(at(3600))
const SERVICES = [service('storage'), service('aggregation'), service('ingestion', 'a'), service('control', 'a'), service('gateway')]
const quiet: Situation = {
  loaded: true, failure: null, stale: [], system: system({ services: SERVICES, ingestion: { a: source() } }), metrics: metrics(),
  queues: [queue({ source: 'a' })], workers: [worker({ source: 'a' })], held: new Map(), failures: [], dismissals: [], now: NOW,
}
const stale = (cause: Stale['cause'], part: Partial<Stale> = {}): Stale => ({ cause, source: null, since: null, detail: null, ...part })
const gone = (id: string, seen = 3500, part = {}) => worker({ id, source: 'a', status: 'offline', last_seen: at(seen), ...part })
const full = (name: string, part = {}) => queue({ name, source: 'a', depth: 12, consumers: 0, ...part })
const many = (n: number) => Array.from({ length: n }, (_, i) => full(`q${i}`))
const keys = (s: Partial<Situation>) => verdictOf({ ...quiet, ...s }).lines.map(line => line.key)
const withServices = (...services: ReturnType<typeof service>[]) => ({ system: system({ services, ingestion: { a: source() } }) })

describe('the verdict', () => {
  it('is good only when everything was loaded and nothing is wrong', () => {
    expect(verdictOf(quiet)).toMatchObject({ level: 'good', headline: 'All systems normal', lines: [] })
    expect(verdictOf({ ...quiet, loaded: false })).toMatchObject({ level: 'unknown', headline: 'Checking…' })
    expect(verdictOf({ ...quiet, loaded: false, system: null, failure: 'storage timed out' })).toMatchObject({ level: 'unknown', headline: 'storage timed out' })
  })

  it.each<Stale['cause']>(['offline', 'gateway', 'storage', 'aggregation', 'ingestion', 'broker'])('is never good while %s is away', (cause) => {
    for (const loaded of [true, false]) {
      const verdict = verdictOf({ ...quiet, loaded, system: loaded ? quiet.system : null, stale: [stale(cause, { source: cause === 'broker' || cause === 'ingestion' ? 'a' : null })] })
      expect(verdict.level).toBe('error')
      expect(verdict.headline).not.toBe('')
    }
  })

  it('counts what is wrong, the worst and its cause first', () => {
    const verdict = verdictOf({ ...quiet, queues: [full('mail')], workers: [worker({ source: 'a' }), gone('b')], system: system({ services: [...SERVICES.slice(0, 3), service('control', 'a', { state: 'away' })], ingestion: { a: source({ events_lost: 3 }) } }) })
    expect(verdict.lines.map(line => line.key)).toEqual(['control:a', 'queue:stranded:a:mail', 'lost:a', 'worker:gone:a:b'])
    expect(verdict).toMatchObject({ level: 'error', headline: '4 issues need attention' })
  })

  it('does not count notes', () => {
    const verdict = verdictOf({ ...quiet, system: system({ services: SERVICES, ingestion: { a: source({ events_invalid: 3 }) } }) })
    expect(verdict).toMatchObject({ level: 'good', headline: 'All systems normal' })
    expect(verdict.lines.map(line => line.severity)).toEqual(['info'])
  })
})

describe('Kanchi itself', () => {
  it('misses a service that is away, and one that was forgotten', () => {
    expect(keys(withServices(...SERVICES.slice(0, 3), service('control', 'a', { state: 'away' })))).toEqual(['control:a'])
    expect(keys(withServices(...SERVICES.slice(0, 3)))).toEqual(['control:a'])
    expect(keys(withServices(service('storage')))).toEqual(['aggregation', 'ingestion:a', 'control:a'])
  })

  it('is served by a second one of a kind', () => {
    const verdict = verdictOf({ ...quiet, ...withServices(...SERVICES, service('gateway', null, { state: 'away', id: 'g2' })) })
    expect(verdict).toMatchObject({ level: 'warning', lines: [{ key: 'gateway:g2', severity: 'warning' }] })
  })

  it('expects nothing of a source that was taken out of the configuration', () => {
    expect(keys({ system: system({ services: SERVICES, ingestion: { a: source(), old: source({ state: 'connecting' }) } }) })).toEqual([])
  })

  it('groups findings of one kind, and tells prose from a line to paste', () => {
    const finding = (subject: string, remedy: string) => ({ severity: 'warning' as const, code: 'clock_skew', source: 'a', subject, text: `Clock of ${subject}.`, remedy })
    const findings = ['x', 'y', 'z'].map(name => finding(name, 'Let NTP set the clocks.'))
    const [line] = verdictOf({ ...quiet, system: system({ services: SERVICES, ingestion: { a: source() }, findings }) }).lines
    expect(line).toMatchObject({ count: 3, text: 'Clock of x. (and 2 more like it)', remedy: { text: 'Let NTP set the clocks.', code: null } })
    expect(remedyOf('task_send_sent_event = True')).toEqual({ text: null, code: 'task_send_sent_event = True' })
    expect(remedyOf('celery -A your_app worker -Q mail')).toMatchObject({ code: 'celery -A your_app worker -Q mail' })
    expect(remedyOf('Set event_serializer = "json" in the configuration.')).toMatchObject({ code: null })
    expect(remedyOf(null)).toBeNull()
  })
})

describe('causes and symptoms', () => {
  it('a broker that is away explains its workers, queues and services, in one line', () => {
    const verdict = verdictOf({
      ...quiet, stale: [stale('broker', { source: 'a', detail: 'refused' })], queues: many(202), workers: [gone('x'), gone('y')],
      system: system({ services: [...SERVICES.slice(0, 2), service('ingestion', 'a', { state: 'degraded', detail: 'no answer in time' }), service('control', 'a', { state: 'degraded' })], ingestion: { a: source({ state: 'away', lag_seconds: 60 }) }, findings: [{ severity: 'error', code: 'broker_unreachable', source: 'a', subject: null, text: 'refused', remedy: 'Start it.' }, { severity: 'warning', code: 'backend_unreachable', source: 'a', subject: null, text: 'timed out', remedy: null }] }),
    })
    expect(verdict.lines.map(line => line.key)).toEqual(['broker:a'])
    expect(verdict.headline).toBe('Broker a is unavailable: refused. The state of its workers is unknown.')
    expect(verdict.lines[0]!.remedy).toEqual({ text: 'Start it.', code: null })
    expect(verdict.lines[0]!.folded.map(line => line.key)).toEqual(expect.arrayContaining(['ingestion:a', 'control:a', 'lag:a', 'queues:stranded', 'finding:backend_unreachable:a']))
  })

  it('a broker that is away does not explain another broker\'s queues', () => {
    const s = { system: system({ services: [...SERVICES, service('ingestion', 'b'), service('control', 'b')], ingestion: { a: source({ state: 'away' }), b: source() } }), stale: [stale('broker', { source: 'a' })] }
    const verdict = verdictOf({ ...quiet, ...s, queues: [full('mine'), full('other', { source: 'b' })] })
    expect(verdict.lines.map(line => line.key)).toEqual(['broker:a', 'queue:stranded:b:other'])
    expect(verdict.lines[0]!.folded.map(line => line.key)).toEqual(['queue:stranded:a:mine'])
  })

  it.each<Stale['cause']>(['offline', 'gateway', 'storage'])('%s explains all: the rest is as last known', (cause) => {
    const verdict = verdictOf({ ...quiet, stale: [stale(cause, { since: NOW })], queues: many(3), workers: [worker({ source: 'a' }), gone('x')] })
    expect(verdict.lines.map(line => line.key)).toEqual([cause])
    expect(verdict.lines[0]!.folded.map(line => line.key)).toEqual(['worker:gone:a:x', 'queues:stranded'])
  })

  it('says once that a service is away, though the page noticed it, too', () => {
    const services = [...SERVICES.slice(0, 1), service('aggregation', null, { state: 'away' }), ...SERVICES.slice(2)]
    expect(keys({ stale: [stale('aggregation')], system: system({ services, ingestion: { a: source() } }) })).toEqual(['aggregation'])
  })

  it('without any worker, queues without a consumer follow', () => {
    const [line, ...more] = verdictOf({ ...quiet, workers: [gone('x'), gone('y')], queues: many(5) }).lines
    expect(more).toEqual([])
    expect(line).toMatchObject({ key: 'workers:none', severity: 'error', text: 'No worker is online: all 2 are offline.' })
    expect(line!.folded.map(one => one.key)).toEqual(['workers:gone', 'queues:stranded'])
  })
})

describe('the fleet', () => {
  it('names one queue with its remedy, and groups many behind a link to them', () => {
    expect(verdictOf({ ...quiet, queues: [full('mail')] }).lines[0]).toMatchObject({ text: 'Queue mail has 12 messages and no consumer.', to: { path: '/queues/mail', query: { source: 'a' } }, remedy: { code: 'celery -A your_app worker -Q mail' } })
    expect(verdictOf({ ...quiet, queues: many(202) }).lines).toMatchObject([{ count: 202, text: '202 queues have messages and no consumer (2,424 messages).', to: { path: '/queues', query: { only: 'stranded' } } }])
  })

  it('leaves paused queues and those of delayed delivery alone', () => {
    for (const name of ['celery_delayed_0', 'celery_delayed_7', 'celery_delayed_19', 'shop_celery_delayed_27']) expect(isStranded(full(name))).toBe(false)
    for (const name of ['celery_delayed_28', 'celery_delayed_99', 'celery_delayed_', 'celery_delayed_100']) expect(isStranded(full(name))).toBe(true)
    expect(isStranded(full('mail', { paused: { since: at(0), by: null } }))).toBe(false)
  })

  it('forgets a worker after half an hour, but not while it holds tasks', () => {
    expect(verdictOf({ ...quiet, workers: [worker({ source: 'a' }), gone('x')] }).lines).toMatchObject([{ severity: 'warning', text: 'Worker x went offline in the last 30 min.' }])
    expect(keys({ workers: [worker({ source: 'a' }), gone('x', 0)] })).toEqual([])
    const held = new Map([['a\u0000x', 2]])
    expect(verdictOf({ ...quiet, held, workers: [worker({ source: 'a' }), gone('x', 0)] }).lines).toMatchObject([{
      key: 'worker:holding:a:x', severity: 'error', text: 'Worker x is offline and still holds 2 tasks.', to: { path: '/tasks', query: { status: ['received', 'started'], worker: ['x'] } },
    }])
    expect(verdictOf({ ...quiet, held: new Map([['a\u0000x', 2], ['a\u0000y', 1]]), workers: [worker({ source: 'a' }), gone('x', 0), gone('y')] }).lines[0]!.text).toBe('2 offline workers still hold 3 tasks.')
  })

  it('does not call a fleet that was shut down long ago an outage', () => {
    expect(keys({ workers: [gone('x', 0)] })).toEqual([])
  })

  it('tells when many tasks fail, but not of two out of three', () => {
    const failing = (success: number, failure: number) => metrics({ success_rate: success / (success + failure), counts: { ...ZERO, success, failure } })
    expect(keys({ metrics: failing(1, 2) })).toEqual([])
    expect(verdictOf({ ...quiet, metrics: failing(60, 40) }).lines[0]!.text).toBe('40.0% of the tasks that ended in the last 5 min failed.')
  })
})

describe('a dismissal', () => {
  const holding = { held: new Map([['a\u0000x', 2]]), workers: [worker({ source: 'a' }), gone('x', 0)] }
  const [line] = verdictOf({ ...quiet, ...holding }).lines

  it('hides a line until its state changes', () => {
    const dismissals = [{ key: line!.key, state: line!.state }]
    expect(verdictOf({ ...quiet, ...holding, dismissals })).toMatchObject({ level: 'good', headline: 'No new issues', lines: [], dismissed: [{ key: line!.key }] })
    const again = { ...holding, workers: [worker({ source: 'a' }), gone('x', 50)] }
    expect(verdictOf({ ...quiet, ...again, dismissals }).lines).toHaveLength(1)
  })

  it('of stranded queues ends when another queue joins them, not with each message', () => {
    const [before] = verdictOf({ ...quiet, queues: many(5) }).lines
    const dismissals = [{ key: before!.key, state: before!.state }]
    expect(keys({ queues: many(5).map(one => ({ ...one, depth: 99 })).reverse(), dismissals })).toEqual([])
    expect(keys({ queues: many(6), dismissals })).toEqual(['queues:stranded'])
  })

  it('has a short state', () => {
    expect(stateOf(Array.from({ length: 2000 }, (_, i) => `queue ${i}`)).length).toBeLessThan(40)
    expect(stateOf(['a', 'b'])).not.toBe(stateOf(['a\u0001b']))
  })
})
