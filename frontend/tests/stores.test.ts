import { createPinia, setActivePinia } from 'pinia'
import { beforeEach, describe, expect, it, vi } from 'vitest'
import { isStranded } from '~/lib/attention'
import { MOST_QUEUES, useQueuesStore } from '~/stores/queues'
import { MOST_WORKERS, useWorkersStore } from '~/stores/workers'
import { queue, worker } from './fixtures'

beforeEach(() => setActivePinia(createPinia()))

describe('stores', () => {
  it('lists online workers first, and holds a bounded number', () => {
    const store = useWorkersStore()
    store.apply([worker({ id: 'a', status: 'offline' }), worker({ id: 'c' }), worker({ id: 'b' })])
    expect(store.workers.map(one => one.id)).toEqual(['b', 'c', 'a'])
    store.apply(Array.from({ length: MOST_WORKERS + 50 }, (_, i) => worker({ id: `w${i}` })))
    expect(store.workers).toHaveLength(MOST_WORKERS)
    store.apply([worker({ id: 'c', status: 'offline' })])
    expect(store.workers.find(one => one.id === 'c')!.status).toBe('offline')
  })

  it('keeps what a frame leaves out about a worker', () => {
    const store = useWorkersStore()
    store.apply([worker({ registered: ['shop.pay'] })])
    const slim: Partial<ReturnType<typeof worker>> = worker({ active: 3 })
    delete slim.registered
    delete slim.conf
    store.apply([slim as never, { ...slim, id: 'celery@new' } as never])
    expect(store.workers.map(one => [one.id, one.active, one.registered])).toEqual([['celery@a', 3, ['shop.pay']], ['celery@new', 3, []]])
  })

  it('keeps the workers of a queue when a frame does not name them', () => {
    const store = useQueuesStore()
    store.apply([queue({ workers: ['celery@a'] })])
    store.apply([queue({ depth: 7, workers: [] })])
    expect(store.queues[0]).toMatchObject({ depth: 7, workers: ['celery@a'] })
  })

  it('keeps a queue paused when a frame does not say so', () => {
    const store = useQueuesStore()
    const paused = { since: '2026-11-23T10:00:00Z', by: null }
    store.apply([queue({ paused })])
    store.apply([queue({ depth: 7, paused: null })])
    expect(store.queues[0]).toMatchObject({ depth: 7, paused })
  })

  it('asks for a queue that only a frame tells of, and does not call it stranded meanwhile', async () => {
    const paused = { since: '2026-11-23T10:00:00Z', by: null }
    const answer = { items: [queue({ depth: 7, paused })], next_cursor: null }
    const fetched = vi.spyOn(globalThis, 'fetch').mockImplementation(async () => new Response(JSON.stringify(answer), { headers: { 'content-type': 'application/json' } }))
    const store = useQueuesStore()
    store.take([queue({ depth: 7 })])
    store.take([queue({ depth: 7 })])
    expect(store.queues).toEqual([])
    await vi.waitFor(() => expect(store.queues[0]).toMatchObject({ depth: 7, paused }))
    store.take([queue({ depth: 8 })])
    expect(store.queues[0]).toMatchObject({ depth: 8, paused })
    expect(fetched).toHaveBeenCalledTimes(1)
    fetched.mockRestore()
  })

  it('remembers a bounded number of queues', () => {
    const store = useQueuesStore()
    store.apply(Array.from({ length: MOST_QUEUES + 5 }, (_, i) => queue({ name: `q${i}` })))
    expect(store.queues).toHaveLength(MOST_QUEUES)
  })

  it.each([
    [queue({ depth: 3 }), true],
    [queue({ depth: 3, consumers: 0 }), true],
    [queue({ depth: 3, workers: ['celery@a'] }), false],
    [queue({ depth: 3, consumers: 2 }), false],
    [queue({ depth: 0 }), false],
    [queue({ depth: null }), false],
  ])('knows when messages wait for nobody', (one, stranded) => expect(isStranded(one)).toBe(stranded))
})
