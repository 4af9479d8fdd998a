import { describe, expect, it } from 'vitest'
import { emptyFilter, filterFromUrl, filterToLive, filterToRest, filterToUrl, isFiltered, matches, parsePeriod } from '~/lib/tasks/filters'
import { task } from './fixtures'

const NOW = Date.parse('2026-11-23T10:00:00Z')

describe('task filter', () => {
  it.each([
    [{}],
    [{ status: ['failure', 'retry'] }],
    [{ name: ['shop.tasks.charge'], worker: ['celery@a-1', 'celery@b'], queue: ['payments'], source: ['default'] }],
    [{ q: 'größe & 50%' }],
    [{ from: '2026-11-23T09:00:00Z', to: '2026-11-23T10:00:00Z' }],
    [{ last: '1h', sort: 'oldest' }],
    [{ last: '10m', time: 'ended', resolved: 'false', sort: 'oldest' }],
  ])('survives the URL: %j', (query) => {
    expect(filterToUrl(filterFromUrl(query as never))).toEqual(query)
  })

  it('takes a single value for a list', () => {
    expect(filterFromUrl({ status: 'failure' }).status).toEqual(['failure'])
  })

  it.each([
    [{ status: ['nonsense', 'failure', 'failure'] }, { status: ['failure'] }],
    [{ from: 'yesterday', to: '2026-99-99T00:00:00Z' }, {}],
    [{ last: '1 hour' }, {}],
    [{ last: '1h', from: '2026-11-23T09:00:00Z' }, { last: '1h' }],
    [{ name: [null, '', 'a'.repeat(1025)] }, {}],
    [{ sort: 'sideways', time: 'never', resolved: 'maybe' }, {}],
  ])('drops what makes no sense: %j', (query, kept) => {
    expect(filterToUrl(filterFromUrl(query as never))).toEqual(kept)
  })

  it('asks REST for the same as the WebSocket, and for the order', () => {
    const filter = { ...emptyFilter(), status: ['failure' as const], q: 'x', last: '15m', sort: 'oldest' as const }
    expect(filterToLive(filter, NOW)).toEqual({ status: ['failure'], q: 'x', from: '2026-11-23T09:45:00Z' })
    expect(filterToRest(filter, NOW)).toEqual({ status: ['failure'], q: 'x', from: '2026-11-23T09:45:00Z', sort: 'received_at' })
    expect(filterToRest(emptyFilter(), NOW)).toEqual({})
  })

  it('bounds the end of a task in whole minutes, as figures do, and leaves the end of the last hour open', () => {
    const filter = { ...emptyFilter(), time: 'ended' as const, resolved: 'false' as const, sort: 'slowest' as const, last: '10m' }
    expect(filterToLive(filter, NOW + 30_000)).toEqual({ time: 'ended', resolved: false, from: '2026-11-23T09:50:00Z' })
    expect(filterToRest(filter, NOW)).toEqual({ time: 'ended', resolved: 'false', sort: '-runtime', from: '2026-11-23T09:50:00Z' })
    expect(filterToLive({ ...emptyFilter(), from: '2026-11-23T09:00:20Z', to: '2026-11-23T09:10:20Z' }, NOW)).toEqual({ from: '2026-11-23T09:00:00Z', to: '2026-11-23T09:11:00Z' })
  })

  it('knows which tasks still belong', () => {
    const failed = task({ status: 'failure', queue: 'payments' })
    expect(matches(failed, emptyFilter())).toBe(true)
    expect(matches(failed, { ...emptyFilter(), status: ['failure', 'retry'] })).toBe(true)
    expect(matches(failed, { ...emptyFilter(), status: ['success'] })).toBe(false)
    expect(matches(task({ queue: null }), { ...emptyFilter(), queue: ['payments'] })).toBe(false)
    expect(matches(failed, { ...emptyFilter(), resolved: 'true' })).toBe(false)
    expect(matches(task({ resolved_at: '2026-11-23T09:00:00Z' }), { ...emptyFilter(), resolved: 'true' })).toBe(true)
    expect(matches(task({ status: 'started' }), { ...emptyFilter(), time: 'ended' })).toBe(false)
  })

  it('is a filter as soon as it leaves something out', () => {
    expect(isFiltered(emptyFilter())).toBe(false)
    expect(isFiltered({ ...emptyFilter(), sort: 'oldest' })).toBe(false)
    expect(isFiltered({ ...emptyFilter(), q: 'x' })).toBe(true)
  })

  it.each([['90s', 90], ['15m', 900], ['7d', 604_800], ['0m', null], ['1w', null], ['', null]])('reads the period %s', (text, seconds) => {
    expect(parsePeriod(text)).toBe(seconds)
  })
})
