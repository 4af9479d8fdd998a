import { describe, expect, it } from 'vitest'
import { endedSteps, failureRates, pointsChange, relativeChange, twoHours } from '~/lib/charts/figures'
import { isUnknown, unknownSpans } from '~/lib/charts/known'
import { gapsWithin } from '~/lib/health'
import { stripOf } from '~/lib/charts/life'
import { consumedQueues, poolRows, processedByName, settingsOf, systemRows } from '~/lib/workerTabs'
import { at, source, system, timeseries, worker } from './fixtures'

describe('figures beside the time before', () => {
  it('lays minutes where they belong, and leaves silence open', () => {
    const points = [{ at: at(0) }, { at: at(3600) }, { at: at(9999999) }]
    const hours = twoHours(points, i => i + 1, Date.parse(at(7200)))
    expect([hours.before.length, hours.now.length]).toEqual([60, 60])
    expect([hours.before[0], hours.now[0], hours.now[1]]).toEqual([1, 2, null])
  })

  it('has no rate for a step in which nothing ended, and no value for the one that is not over', () => {
    const series = timeseries([[0, { success: 3, failure: 1 }], [60, {}], [180, { failure: 1 }]], 240)
    expect(failureRates(series, [], Date.parse(at(200)))).toEqual([0.25, null, null])
    expect(endedSteps(series, [], Date.parse(at(200)))).toEqual([4, 0, 0])
  })

  it('has no value, and not 0, for a time when Kanchi was not there', () => {
    const series = timeseries([[120, { success: 3 }]], 240)
    const unknown = unknownSpans(null, [], Date.parse(at(119)), Date.parse(at(240)), 0)
    expect(endedSteps(series, unknown, Date.parse(at(240)))).toEqual([null, 0, 3, 0])
  })

  it('says by how much, and whether it is for the worse', () => {
    expect(relativeChange(150, 100, 'worse')).toEqual({ direction: 'up', text: '50%', worse: true })
    expect(relativeChange(50, 100, 'worse')).toEqual({ direction: 'down', text: '50%', worse: false })
    expect(relativeChange(101, 100, 'worse')!.direction).toBe('same')
    expect(relativeChange(1, 0, 'worse')).toBeNull()
    expect(relativeChange(null, 1, 'neutral')).toBeNull()
    expect(pointsChange(0.1, 0.05)).toEqual({ direction: 'up', text: '5.0 pp', worse: true })
    expect(pointsChange(0.05, 0.1)).toEqual({ direction: 'down', text: '5.0 pp', worse: false })
  })

  it('knows nothing of the times when no broker could be heard', () => {
    const gap = (from: number, to: number) => ({ from: at(from), to: at(to), reason: null })
    const both = system({ ingestion: { a: source({ gaps: [gap(0, 100), gap(200, 260)] }), b: source({ gaps: [gap(50, 300)] }) } })
    const seconds = (n: number) => Date.parse(at(n)) / 1000
    const spans = unknownSpans(both, [], null, Date.parse(at(400)), 0)
    expect(spans).toEqual([{ from: seconds(50), to: seconds(100) }, { from: seconds(200), to: seconds(260) }])
    expect([isUnknown(spans, seconds(60), seconds(100)), isUnknown(spans, seconds(60), seconds(120)), isUnknown(spans, seconds(120), seconds(180))]).toEqual([true, false, false])
    const away = { cause: 'broker' as const, source: 'a', since: Date.parse(at(320)), detail: null }
    expect(isUnknown(unknownSpans(system({ ingestion: { a: source() } }), [away], null, Date.parse(at(400)), 0), seconds(360), seconds(420))).toBe(true)
    expect(unknownSpans(both, [away], null, Date.parse(at(400)), 0)).toHaveLength(2)
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

  it('has used time and memory in units that people read', () =>
    expect(systemRows(worker({ stats: { pid: 7, rusage: { utime: 61.2, maxrss: 2048, minflt: 12345 } } as never }))).toEqual([['PID', '7'], ['User CPU time', '1 min 1 s'], ['Peak memory (RSS)', '2 MiB'], ['Minor page faults', '12,345']]))

  it('tells its queues with their properties', () => {
    const one = worker({ active_queues: [{ name: 'mail', exchange: { name: 'mail', type: 'direct' }, routing_key: 'm', durable: true, no_ack: true, queue_arguments: { 'x-max-priority': 10 } }] as never })
    expect(consumedQueues(one)).toEqual([{ name: 'mail', exchange: 'mail, direct', routingKey: 'm', traits: ['durable', 'no ack', '{"x-max-priority":10}'] }])
  })
})
