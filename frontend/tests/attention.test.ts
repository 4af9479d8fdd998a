import { describe, expect, it } from 'vitest'
import { headlineOf, troublesOf, type Situation } from '~/lib/attention'
import { pointsChange, relativeChange, successRates, twoHours } from '~/lib/charts/figures'
import { gapsWithin } from '~/lib/health'
import { stripOf } from '~/lib/charts/life'
import { consumedQueues, poolRows, processedByName, settingsOf, systemRows } from '~/lib/workerTabs'
import { at, metrics, queue, source, system, timeseries, worker, ZERO } from './fixtures'

const NOW = Date.parse(at(3600))
const quiet: Situation = { system: system(), metrics: metrics(), queues: [queue()], workers: [worker()], failures: [], now: NOW }

describe('what needs a look', () => {
  it('is nothing when all is well', () => {
    expect(troublesOf(quiet)).toEqual([])
    expect(headlineOf([])).toBe('All systems normal')
  })

  it('a queue of native delayed delivery is nobody\'s trouble', () => {
    const stranded = (...names: string[]) => troublesOf({ ...quiet, queues: names.map(name => queue({ name, depth: 12, consumers: 0 })) })
    expect(stranded('celery_delayed_0', 'celery_delayed_7', 'celery_delayed_19', 'shop_celery_delayed_27')).toEqual([])
    expect(stranded('celery_delayed_28', 'celery_delayed_99', 'celery_delayed_', 'celery_delayed_100')).toHaveLength(4)
  })

  it('names messages that nobody takes, and how to take them', () => {
    const [trouble] = troublesOf({ ...quiet, queues: [queue({ name: 'mail', depth: 12, consumers: 0 })] })
    expect(trouble).toMatchObject({ severity: 'error', text: 'Queue mail has 12 messages and no consumers.', remedy: 'celery -A your_app worker -Q mail' })
  })

  it('tells of workers that have just gone, not of those that went long ago', () => {
    const gone = worker({ id: 'celery@b', status: 'offline', last_seen: at(3500) })
    expect(troublesOf({ ...quiet, workers: [worker(), gone] })[0]!.text).toBe('Worker celery@b went offline in the last 30 min.')
    expect(troublesOf({ ...quiet, workers: [worker(), { ...gone, last_seen: at(0) }] })).toEqual([])
    expect(troublesOf({ ...quiet, workers: [gone] })[0]).toMatchObject({ severity: 'error' })
  })

  it('tells when many tasks fail, but not of two out of three', () => {
    const failing = (success: number, failure: number) => metrics({ success_rate: success / (success + failure), counts: { ...ZERO, success, failure } })
    expect(troublesOf({ ...quiet, metrics: failing(1, 2) })).toEqual([])
    expect(troublesOf({ ...quiet, metrics: failing(60, 40) })[0]!.text).toBe('Success rate is down to 60.0%.')
  })

  it('puts the worst first, and counts', () => {
    const troubles = troublesOf({ ...quiet, system: system({ ingestion: { a: source({ events_lost: 3 }) } }), queues: [queue({ depth: 1, consumers: 0 })] })
    expect(troubles.map(trouble => trouble.severity)).toEqual(['error', 'warning'])
    expect(headlineOf(troubles)).toBe('2 issues need attention')
  })
})

describe('figures beside the hour before', () => {
  it('lays minutes where they belong, and leaves silence open or at nothing', () => {
    const points = [{ at: at(0) }, { at: at(3600) }, { at: at(9999999) }]
    const hours = twoHours(points, i => i + 1, Date.parse(at(7200)), null)
    expect([hours.before.length, hours.now.length]).toEqual([60, 60])
    expect([hours.before[0], hours.now[0], hours.now[1]]).toEqual([1, 2, null])
  })

  it('has no rate for a minute in which nothing ended', () => {
    expect(successRates(timeseries([[0, { success: 3, failure: 1 }], [60, {}]], 120), Date.parse(at(7200))).before.slice(0, 2)).toEqual([0.75, null])
  })

  it('says by how much, and whether it is for the worse', () => {
    expect(relativeChange(150, 100, 'worse')).toEqual({ direction: 'up', text: '50%', worse: true })
    expect(relativeChange(50, 100, 'worse')).toEqual({ direction: 'down', text: '50%', worse: false })
    expect(relativeChange(101, 100, 'worse')!.direction).toBe('same')
    expect(relativeChange(1, 0, 'worse')).toBeNull()
    expect(relativeChange(null, 1, 'neutral')).toBeNull()
    expect(pointsChange(0.9, 0.95)).toEqual({ direction: 'down', text: '5.0 pp', worse: true })
  })

  it('shades the times in which events may be missing', () => {
    const gaps = [{ from: at(0), to: at(10), reason: null }, { from: at(100), to: at(130), reason: null }]
    expect(gapsWithin(system({ ingestion: { a: source({ gaps }) } }), Date.parse(at(110)), Date.parse(at(200)))).toEqual([{ from: Date.parse(at(110)) / 1000, to: Date.parse(at(130)) / 1000 }])
  })
})

describe('a worker', () => {
  it('has a life: online, offline, started anew', () => {
    const strip = stripOf({ from: at(0), to: at(100), source: 'a', items: [{ at: at(-50), change: 'online' }, { at: at(40), change: 'offline' }, { at: at(60), change: 'online' }, { at: at(80), change: 'restart' }] })
    expect(strip.spans.map(span => [(span.to - span.from) / 1000, span.online])).toEqual([[40, true], [20, false], [40, true]])
    expect(strip.restarts).toEqual([Date.parse(at(80))])
    expect(strip.uptime).toBe(0.8)
  })

  it('of which nothing is known has none', () => {
    expect(stripOf({ from: at(0), to: at(100), source: 'a', items: [] })).toEqual({ spans: [], restarts: [], uptime: null })
  })

  it('says of itself what it likes', () => {
    for (const odd of [null, 7, 'x', [], { pool: 3, rusage: null, total: [1] }]) {
      const one = worker({ stats: odd as never, conf: odd as never, active_queues: odd as never, queues: ['mail'] })
      expect(poolRows(one).map(([label]) => label)).toEqual(['Soft time limit', 'Hard time limit'])
      expect(systemRows(one)).toEqual([])
      expect(processedByName(one).size).toBe(0)
      expect(() => settingsOf(one, '')).not.toThrow()
      expect(consumedQueues(one).map(entry => entry.name)).toEqual(['mail'])
    }
  })

  it('tells its queues with their properties', () => {
    const one = worker({ active_queues: [{ name: 'mail', exchange: { name: 'mail', type: 'direct' }, routing_key: 'm', durable: true, no_ack: true, queue_arguments: { 'x-max-priority': 10 } }] as never })
    expect(consumedQueues(one)).toEqual([{ name: 'mail', exchange: 'mail, direct', routingKey: 'm', traits: ['durable', 'no ack', '{"x-max-priority":10}'] }])
  })
})
