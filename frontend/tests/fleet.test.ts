import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { StatusCounts, TotalsGroup } from '~/api/types'
import { fitColumns } from '~/lib/fleet/columns'
import { failsMore, failureShare, figuresOf, sumOf } from '~/lib/fleet/figures'
import { Batch, compareNames, Held } from '~/lib/fleet/held'
import { hasWords, nextSort, sorted, sortFromUrl, sortToUrl } from '~/lib/fleet/sort'
import { isWorker, sumsOf, workerColumns, workerValue } from '~/lib/fleet/workers'
import { worker, ZERO } from './fixtures'

const counts = (success: number, failure: number): StatusCounts => ({ ...ZERO, success, failure })
const NONE = { count: 0, mean: null, min: null, max: null, p50: null, p95: null, p99: null }
const group = (key: string, of: StatusCounts): TotalsGroup => ({ key, counts: of, success_rate: null, runtime: NONE, queue_wait: NONE } as TotalsGroup)

describe('what the page holds', () => {
  interface Thing { id: string, n: number }
  let compared = 0
  const make = () => new Held<Thing>(3, thing => thing.id, (a, b) => { compared++; return compareNames(a.id, b.id) })
  const put = (held: Held<Thing>, ...things: Thing[]) => held.put(things, thing => thing.id, thing => thing)

  it('keeps the objects that an answer does not change', () => {
    const held = make()
    held.replace([{ id: 'a', n: 1 }, { id: 'b', n: 1 }])
    const [a, b] = held.sorted
    held.replace([{ id: 'a', n: 1 }, { id: 'b', n: 2 }])
    expect(held.sorted[0]).toBe(a)
    expect(held.sorted[1]).not.toBe(b)
  })

  it('sorts again only when something has another place', () => {
    const held = make()
    held.replace([{ id: 'w10', n: 1 }, { id: 'w2', n: 1 }])
    expect(held.sorted.map(one => one.id)).toEqual(['w2', 'w10'])
    compared = 0
    put(held, { id: 'w2', n: 5 })
    expect(compared).toBe(1)
    expect(held.sorted[0]).toEqual({ id: 'w2', n: 5 })
    put(held, { id: 'w1', n: 1 }, { id: 'w0', n: 1 })
    expect(held.sorted.map(one => one.id)).toEqual(['w1', 'w2', 'w10'])
  })

  it('gives those who watch a new list each time', () => {
    const held = make()
    put(held, { id: 'a', n: 1 })
    const before = held.sorted
    put(held, { id: 'a', n: 2 })
    expect(held.sorted).not.toBe(before)
    expect(before[0]!.n).toBe(1)
  })
})

describe('frames in a batch', () => {
  beforeEach(() => { vi.useFakeTimers() })
  afterEach(() => { vi.useRealTimers() })

  it('are handed over together, in their order', () => {
    const seen: number[][] = []
    const batch = new Batch<number>(250, parts => seen.push(parts))
    for (let i = 0; i < 20; i++) batch.add([i])
    vi.advanceTimersByTime(249)
    expect(seen).toEqual([])
    vi.advanceTimersByTime(1)
    expect(seen).toEqual([Array.from({ length: 20 }, (_, i) => i)])
    batch.add([7])
    batch.drop()
    vi.advanceTimersByTime(1000)
    expect(seen).toHaveLength(1)
  })
})

describe('columns', () => {
  const columns = workerColumns(false)
  const widthOf = (width: number) => fitColumns(columns, width, 28).shown.reduce((sum, column) => sum + column.width, 28 + 32)

  it.each([360, 640, 769, 1183, 1500])('fit into %d pixels, or only those that are never left out remain', (width) => {
    const { shown } = fitColumns(columns, width, 28)
    expect(widthOf(width) <= width || shown.every(column => column.rank === 1)).toBe(true)
  })

  it('leave out the least important first, and say which', () => {
    const { shown, left } = fitColumns(columns, 769, 28)
    expect(shown.map(column => column.key)).toEqual(['name', 'state', 'busy', 'succeeded', 'failed', 'rate', 'seen'])
    expect(left.map(column => column.key)).toContain('load')
    expect(fitColumns(columns, 5000).left).toEqual([])
  })
})

describe('figures of the fleet', () => {
  it('say nothing of what was not counted', () => {
    expect(figuresOf([group('a', counts(5, 1))], false).of('b')).toBeNull()
    expect(figuresOf([group('a', counts(5, 1))], false).sum).toBeNull()
    expect(figuresOf([group('a', counts(5, 1))], true).of('b')).toEqual(ZERO)
    expect(failureShare(null)).toBeNull()
    expect(failureShare(ZERO)).toBeNull()
    expect(sumOf([counts(1, 1), null])).toBeNull()
  })

  it('count tasks where the gateway does', () => {
    expect(figuresOf([{ ...group('a', { ...counts(5, 1), retry: 3 }), tasks: { success: 4, failure: 1, revoked: 0, rejected: 0, orphaned: 0 } }], true).of('a')).toMatchObject({ success: 4, failure: 1, retry: 3 })
  })

  it.each([
    ['one failure of few', counts(9, 1), counts(1000, 10), false],
    ['as many as the others', counts(900, 100), counts(9000, 1000), false],
    ['most of them', counts(7, 22), counts(26_000, 850), true],
    ['a little more, of many', counts(9000, 600), counts(90_000, 1600), true],
    ['all, and so do the others', counts(0, 50), counts(0, 500), false],
    ['half, and it is alone', counts(20, 20), counts(20, 20), true],
  ])('find who fails more than the others: %s', (_, one, sum, more) => expect(failsMore(one, sum)).toBe(more))
})

describe('sorting and limiting', () => {
  it('is in the URL', () => {
    expect(sortFromUrl('-failed', ['failed'])).toEqual({ key: 'failed', down: true })
    expect(sortFromUrl('nothing', ['failed'])).toBeNull()
    expect(sortToUrl({ key: 'failed', down: true })).toBe('-failed')
    expect(sortToUrl(null)).toBeUndefined()
  })

  it('begins with the greatest figure or the first name, turns, and ends', () => {
    const first = nextSort(null, 'failed', true)
    const second = nextSort(first, 'failed', true)
    expect([first, second, nextSort(second, 'failed', true)]).toEqual([{ key: 'failed', down: true }, { key: 'failed', down: false }, null])
    expect(nextSort(first, 'name', false)).toEqual({ key: 'name', down: false })
  })

  it('puts what is unknown last, both ways', () => {
    const list = [{ n: null }, { n: 2 }, { n: 1 }]
    expect(sorted(list, one => one.n, false, compareNames).map(one => one.n)).toEqual([1, 2, null])
    expect(sorted(list, one => one.n, true, compareNames).map(one => one.n)).toEqual([2, 1, null])
  })

  it('finds all words that are typed', () => {
    expect(hasWords('pay  EU', ['celery@payments', 'eu-1'])).toBe(true)
    expect(hasWords('pay us', ['celery@payments', 'eu-1'])).toBe(false)
    expect(hasWords(' ', [null])).toBe(true)
  })

  it('knows the workers that one looks for', () => {
    const figures = figuresOf([group('a', counts(1, 30)), group('b', counts(500, 1))], true)
    const keyOf = (one: { id: string }) => one.id
    const [a, b] = [worker({ id: 'a', active: 4, concurrency: 4 }), worker({ id: 'b', status: 'offline' })]
    expect([a, b].map(one => isWorker('failing', one, figures, keyOf))).toEqual([true, false])
    expect([a, b].map(one => isWorker('busy', one, figures, keyOf))).toEqual([true, false])
    expect([a, b].map(one => isWorker('offline', one, figures, keyOf))).toEqual([false, true])
    expect(workerValue(a, 'failed', figures, keyOf)).toBe(30)
    expect(workerValue(b, 'busy', figures, keyOf)).toBeNull()
  })

  it('does not count workers as missing whose state is unknown', () => {
    expect(sumsOf([worker({ id: 'a' }), worker({ id: 'b', status: 'offline' })]).online).toEqual({ n: 1, whole: true })
    expect(sumsOf([worker({ id: 'a' }), worker({ id: 'b', status: 'unknown' })]).online).toEqual({ n: 1, whole: false })
    expect(sumsOf([worker({ id: 'a', status: 'unknown' })]).online).toEqual({ n: null, whole: false })
    expect(sumsOf([worker({ id: 'a', status: 'offline' })]).online).toEqual({ n: 0, whole: true })
  })

  it('adds up what workers tell, and says when some tell nothing', () => {
    const sums = sumsOf([worker({ id: 'a', active: 2, concurrency: 4 }), worker({ id: 'b', active: 1, concurrency: null })])
    expect(sums.active).toEqual({ n: 3, whole: true })
    expect(sums.slots).toEqual({ n: 4, whole: false })
    expect(sums.cpu).toEqual({ n: null, whole: false })
  })
})
