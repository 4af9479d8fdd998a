import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { watch } from 'vue'
import type { Task } from '~/api/types'
import { emptyFilter } from '~/lib/tasks/filters'
import { FOLLOW_ROWS, HELD_ROWS, useTaskListStore } from '~/stores/taskList'
import type { Frame } from '~/lib/live'
import { useLiveStore } from '~/stores/live'
import { at, task, tasks } from './fixtures'

/** Answers GET /api/v1/tasks with these pages; the last one again and again. */
function gatewayWith(...pages: { items: Task[], next_cursor: string | null }[]) {
  const asked: URL[] = []
  vi.stubGlobal('fetch', async (request: Request) => {
    asked.push(new URL(request.url))
    const page = pages.length > 1 ? pages.shift()! : pages[0]!
    return new Response(JSON.stringify(page), { headers: { 'Content-Type': 'application/json' } })
  })
  return asked
}

const page = (items: Task[], next_cursor: string | null = null) => ({ items, next_cursor })
const newestFirst = (n: number, from = 0) => tasks(n, from).reverse()

async function openList(filter = emptyFilter()) {
  const store = useTaskListStore()
  store.setFilter(filter)
  await vi.waitFor(() => expect(store.loaded).toBe(true))
  return store
}

beforeEach(() => setActivePinia(createPinia()))
afterEach(() => vi.unstubAllGlobals())

describe('task list', () => {
  it('asks for what the filter says, and for the next page with its cursor', async () => {
    const asked = gatewayWith(page(newestFirst(2, 2), 'c1'), page(newestFirst(2)))
    const store = await openList({ ...emptyFilter(), status: ['failure', 'retry'] })
    await store.loadMore()
    expect(asked[0]!.searchParams.getAll('status')).toEqual(['failure', 'retry'])
    expect(asked[1]!.searchParams.get('cursor')).toBe('c1')
    expect(store.rows.map(row => row.id)).toEqual(['t3', 't2', 't1', 't0'])
    expect(store.atEnd).toBe(true)
  })

  it('goes on in the list that it began, however long ago the last hour began', async () => {
    const asked = gatewayWith(page(newestFirst(2, 4), 'c1'), page(newestFirst(2, 2), 'c2'), page(newestFirst(2)))
    const store = await openList({ ...emptyFilter(), last: '1h' })
    for (const later of [5000, 9000]) {
      vi.spyOn(Date, 'now').mockReturnValue(Date.parse(asked[0]!.searchParams.get('from')!) + 3_600_000 + later)
      await store.loadMore()
    }
    vi.restoreAllMocks()
    expect(asked.map(url => url.searchParams.get('cursor'))).toEqual([null, 'c1', 'c2'])
    expect(new Set(asked.map(url => url.searchParams.get('from'))).size).toBe(1)
  })

  it('asks for a page that was given up once, however eager the screen is', async () => {
    const size = 250
    const pages = Array.from({ length: 20 }, (_, i) => page(newestFirst(size, (20 - i) * size), `c${i + 1}`))
    const asked: string[] = []
    vi.stubGlobal('fetch', async (request: Request) => {
      const cursor = new URL(request.url).searchParams.get('cursor')
      asked.push(cursor ?? 'first')
      return new Response(JSON.stringify(pages[Number(cursor?.slice(1) ?? 0)]), { headers: { 'Content-Type': 'application/json' } })
    })
    const store = await openList()
    store.holdBack()
    while (asked.length < 19) await store.loadMore()
    expect(store.offset).toBeGreaterThan(1000)
    asked.length = 0
    // As the table does: it looks again whenever an answer has come.
    const wanted = () => store.want(490, 520, 120)
    const stop = watch(() => store.loading, () => { if (!store.loading) void wanted() })
    await wanted()
    await vi.waitFor(() => expect(store.rows[520 - store.offset]).toBeDefined())
    await new Promise(done => setTimeout(done, 50))
    stop()
    expect(asked).toEqual(['c1', 'c2'])
    expect(store.rows[490 - store.offset]).toBeDefined()
  })

  it('shows created tasks on top while it follows', async () => {
    gatewayWith(page(newestFirst(2)))
    const store = await openList()
    store.apply(tasks(1, 5), true)
    expect(store.rows[0]!.id).toBe('t5')
    expect(store.isFresh(store.rows[0]!)).toBe(true)
  })

  it('moves nothing while one has scrolled, and shows what came when one returns', async () => {
    gatewayWith(page(newestFirst(3)))
    const store = await openList()
    store.holdBack()
    store.apply(tasks(2, 5), true)
    store.apply([task({ id: 't1', status: 'success', received_at: at(1), updated_at: at(30) })])
    expect(store.rows.map(row => row.id)).toEqual(['t2', 't1', 't0'])
    expect(store.rows[1]!.status).toBe('success')
    expect(store.held).toHaveLength(2)
    store.follow()
    expect(store.rows.map(row => row.id)).toEqual(['t6', 't5', 't2', 't1', 't0'])
    expect(store.held).toHaveLength(0)
  })

  it('takes a task out when it no longer matches, but not from under the reader', async () => {
    gatewayWith(page(newestFirst(2)))
    const store = await openList({ ...emptyFilter(), status: ['received'] })
    store.holdBack()
    const done = task({ id: 't1', status: 'success', received_at: at(1), updated_at: at(30) })
    store.apply([done])
    expect(store.rows).toHaveLength(2)
    store.follow()
    expect(store.rows.map(row => row.id)).toEqual(['t0'])
  })

  it('leaves out created tasks that do not match', async () => {
    gatewayWith(page([]))
    const store = await openList({ ...emptyFilter(), queue: ['mail'] })
    store.apply([task({ queue: 'payments' }), task({ id: 'b', queue: 'mail' })], true)
    expect(store.rows.map(row => row.id)).toEqual(['b'])
  })

  it('keeps a bounded number of rows, however much arrives', async () => {
    gatewayWith(page(newestFirst(100), 'c'))
    const store = await openList()
    for (let i = 0; i < 20; i++) store.apply(tasks(50, 1000 + i * 50), true)
    expect(store.rows).toHaveLength(FOLLOW_ROWS)
    expect(store.atEnd).toBe(false)
    store.holdBack()
    for (let i = 0; i < 20; i++) store.apply(tasks(50, 5000 + i * 50), true)
    expect(store.held).toHaveLength(HELD_ROWS)
    expect(store.heldMore).toBe(true)
  })

  it('holds back by itself what comes too fast, and follows when told to', async () => {
    gatewayWith(page(newestFirst(3)))
    const store = await openList()
    let frame: ((frame: Frame) => void) | undefined
    vi.spyOn(useLiveStore(), 'watch').mockImplementation((watcher) => { frame = watcher.frame; return { refilter: () => {}, stop: () => {} } })
    store.open(emptyFilter())
    await vi.waitFor(() => expect(store.loaded).toBe(true))
    frame!({ type: 'task:created', items: tasks(50, 100), omitted: 0 })
    await vi.waitFor(() => expect(store.held).toHaveLength(50))
    expect(store.following).toBe(false)
    expect(store.rows).toHaveLength(3)
    store.showHeld()
    expect(store.rows[0]!.id).toBe('t149')
    expect(store.following).toBe(false)
    store.insist(true)
    expect(store.following).toBe(true)
    store.close()
  })

  it('ends a search when told to, and goes on with it', async () => {
    const asked = gatewayWith(page([], 'c1'), page([], 'c2'), page(newestFirst(1)))
    const store = await openList({ ...emptyFilter(), q: 'needle' })
    expect(store.atEnd).toBe(false)
    await store.want(0, 0, 120)
    store.stop()
    await store.want(0, 0, 120)
    expect(asked).toHaveLength(2)
    store.resume()
    await vi.waitFor(() => expect(store.rows).toHaveLength(1))
    expect(store.atEnd).toBe(true)
  })

  it('says what failed, and recovers', async () => {
    vi.stubGlobal('fetch', async () => new Response(JSON.stringify({ type: 'about:blank', title: 'Unavailable', status: 503, detail: 'Storage is away.' }), { status: 503, headers: { 'Content-Type': 'application/problem+json' } }))
    const store = useTaskListStore()
    store.setFilter(emptyFilter())
    await vi.waitFor(() => expect(store.failure).toEqual({ status: 503, text: 'Storage is away.' }))
    gatewayWith(page(newestFirst(1)))
    store.retry()
    await vi.waitFor(() => expect(store.rows).toHaveLength(1))
    expect(store.failure).toBeNull()
  })

  it('says that the gateway is away when nobody answers', async () => {
    vi.stubGlobal('fetch', async () => { throw new TypeError('fetch failed') })
    const store = useTaskListStore()
    store.setFilter(emptyFilter())
    await vi.waitFor(() => expect(store.failure?.status).toBeNull())
    expect(store.failure!.text).toBe('Can\'t reach Kanchi.')
  })
})
