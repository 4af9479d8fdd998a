import { describe, expect, it } from 'vitest'
import { goodUntil, staleOf, steady, type Signals } from '~/lib/freshness'
import { service, source, system } from './fixtures'

const NOW = 1_000_000_000_000
const TIME = (ms: number) => new Date(ms).toISOString()
const healthy = system({
  services: [service('storage'), service('aggregation'), service('ingestion', 'a'), service('control', 'a')],
  ingestion: { a: source() },
})
const fresh: Signals = {
  now: NOW, openedAt: NOW - 60_000, browserOnline: true, connectedAt: NOW - 50_000, heardAt: NOW - 100, feed: true, system: healthy,
  systemAt: NOW - 1500, storageSince: null, metricsAt: NOW - 900, skew: 0,
}
const two = (part: object) => system({
  services: [service('ingestion', 'a'), service('ingestion', 'b')], ingestion: { a: source(), b: source(part) },
})

describe('what is stale', () => {
  const cases: [string, Partial<Signals>, string[], number | null | undefined][] = [
    ['nothing', {}, [], undefined],
    ['the browser is offline, whatever else is wrong', { browserOnline: false, connectedAt: null, heardAt: NOW - 9000, systemAt: NOW - 9000 }, ['offline'], NOW - 9000],
    ['the connection was lost a moment ago', { connectedAt: null, heardAt: NOW - 1000 }, [], undefined],
    ['the gateway is gone', { connectedAt: null, heardAt: NOW - 2000 }, ['gateway'], NOW - 2000],
    ['the page has just been opened', { connectedAt: null, heardAt: null, openedAt: NOW - 1000, system: null, systemAt: null, metricsAt: null }, [], undefined],
    ['REST says that a broker is away, before there is a connection', { connectedAt: null, heardAt: null, openedAt: NOW - 500, system: { ...healthy, ingestion: { a: source({ state: 'away', since: TIME(NOW - 7000) }) } } }, ['broker'], NOW - 7000],
    ['the page never got a connection', { connectedAt: null, heardAt: null, openedAt: NOW - 3500, system: null, systemAt: null, metricsAt: null }, ['gateway'], null],
    ['storage stands still: figures and figures of 0 still come', { systemAt: NOW - 5000 }, ['storage'], NOW - 5000],
    ['nothing at all comes: the gateway may be gone, not storage', { systemAt: NOW - 5500, metricsAt: NOW - 4500, heardAt: NOW - 3600 }, [], undefined],
    ['nothing at all comes, and storage was silent before', { systemAt: NOW - 9000, heardAt: NOW - 3600 }, ['storage'], NOW - 9000],
    ['storage did not answer after a reload', { connectedAt: NOW - 5000, system: null, systemAt: null }, ['storage'], null],
    ['the gateway says since when storage is silent', { systemAt: null, connectedAt: NOW - 100, storageSince: NOW - 70_000 }, ['storage'], NOW - 70_000],
    ['the connection is new, and the first answer under way', { connectedAt: NOW - 1000, systemAt: NOW - 60_000, metricsAt: NOW - 60_000 }, [], undefined],
    ['the feed of storage is broken', { feed: false }, ['storage'], NOW - 1500],
    ['storage can not write', { system: system({ services: [service('storage', null, { state: 'degraded', detail: 'disk full' })] }) }, ['storage'], null],
    ['aggregation stands still', { metricsAt: NOW - 4500 }, ['aggregation'], NOW - 4500],
    ['aggregation stands still after a reload', { metricsAt: null, system: { ...healthy, services: [service('storage'), service('aggregation', null, { state: 'away', seen_at: TIME(NOW - 20_000) }), service('ingestion', 'a')] } }, ['aggregation'], NOW - 20_000],
    ['a broker is away', { system: { ...healthy, ingestion: { a: source({ state: 'away', error: 'refused', since: TIME(NOW - 7000) }) } } }, ['broker'], NOW - 7000],
    ['a broker is away, in the clock of the viewer', { skew: 2000, system: { ...healthy, ingestion: { a: source({ state: 'away', since: TIME(NOW - 7000) }) } } }, ['broker'], NOW - 9000],
    ['a broker is being connected for the first time', { system: { ...healthy, ingestion: { a: source({ state: 'connecting', since: TIME(NOW - 500) }) } } }, [], undefined],
    ['a broker is being connected for long', { system: { ...healthy, ingestion: { a: source({ state: 'connecting', since: TIME(NOW - 5000) }) } } }, ['broker'], NOW - 5000],
    ['ingestion does not report', { system: { ...healthy, services: [service('ingestion', 'a', { state: 'away', seen_at: TIME(NOW - 6000) })] } }, ['ingestion'], NOW - 6000],
    ['ingestion is gone from the list', { system: { ...healthy, services: [service('storage')] } }, ['ingestion'], null],
    ['a second ingestion goes on', { system: { ...healthy, services: [service('ingestion', 'a', { state: 'away' }), service('ingestion', 'a')] } }, [], undefined],
    ['one of two brokers is away', { system: two({ state: 'away', error: 'refused' }) }, ['broker'], null],
    ['one of two sources was taken out of the configuration', { system: system({ services: [service('ingestion', 'a')], ingestion: { a: source(), b: source({ state: 'connecting' }) } }) }, [], undefined],
  ]
  it.each(cases)('%s', (_, part, causes, since) => {
    const stale = staleOf({ ...fresh, ...part })
    expect(stale.map(one => one.cause)).toEqual(causes)
    expect(stale[0]?.since).toEqual(since)
  })
})

it('a time that wobbles is not news', () => {
  const broker = (since: number | null, detail: string | null = null) => [{ cause: 'broker' as const, source: 'a', since, detail }]
  const before = broker(10_000)
  expect(steady(broker(11_500), before)).toBe(before)
  expect(steady(broker(20_000), before)).toBe(before)
  expect(steady(broker(9_000), before)).toEqual(broker(9_000))
  expect(steady(broker(11_500, 'refused'), before)).toEqual(broker(10_000, 'refused'))
  expect(steady([], before)).toEqual([])
})

describe('clocks', () => {
  const broker = (name: string, since: number) => ({ cause: 'broker' as const, source: name, since, detail: null })

  it('run while nothing is stale, or only the figures are', () => {
    expect(goodUntil([], ['a'])).toBeNull()
    expect(goodUntil([{ cause: 'aggregation', source: null, since: 5, detail: null }], ['a'], 'a')).toBeNull()
  })

  it('stop for all when the gateway is gone, and stay at 0 when nothing was loaded', () => {
    expect(goodUntil([{ cause: 'gateway', source: null, since: 5, detail: null }], ['a'], 'a')).toBe(5)
    expect(goodUntil([{ cause: 'storage', source: null, since: null, detail: null }], [])).toBe(0)
  })

  it('stop for the tasks of the broker that is away, and for all when every broker is', () => {
    expect(goodUntil([broker('b', 5)], ['a', 'b'], 'b')).toBe(5)
    expect(goodUntil([broker('b', 5)], ['a', 'b'], 'a')).toBeNull()
    expect(goodUntil([broker('b', 5)], ['a', 'b'])).toBeNull()
    expect(goodUntil([broker('b', 5), broker('a', 9)], ['a', 'b'])).toBe(9)
  })
})
