import { createPinia, setActivePinia } from 'pinia'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Dismissal } from '~/api/types'
import { verdictOf, type Line, type Situation } from '~/lib/verdict'
import { useDismissalsStore } from '~/stores/dismissals'
import { at, metrics, queue, service, source, system, worker } from './fixtures'

const SERVICES = [service('storage'), service('aggregation'), service('ingestion', 'a'), service('control', 'a'), service('gateway')]
const situation = (queues: string[], dismissals: Situation['dismissals'] = []): Situation => ({
  loaded: true, failure: null, stale: [], system: system({ services: SERVICES, ingestion: { a: source() } }), metrics: metrics(),
  queues: queues.map(name => queue({ name, source: 'a', depth: 12, consumers: 0 })), workers: [worker({ source: 'a' })],
  held: new Map(), failures: [], dismissals, now: Date.parse(at(3600)),
})
const lineOf = (...queues: string[]): Line => verdictOf(situation(queues)).lines[0]!

/** A gateway that keeps dismissals, for every page that asks it. */
let kept: Dismissal[] = []
let asked: string[] = []
let refusal: { status: number, detail: string } | null = null
/** While set, answers to GET wait for it; they are made before. */
let slow: Promise<void> | null = null

async function gateway(request: Request): Promise<Response> {
  const url = new URL(request.url)
  asked.push(`${request.method} ${url.pathname}${url.search}`)
  const answer = (status: number, body: object) => new Response(JSON.stringify(body), { status, headers: { 'Content-Type': 'application/json' } })
  if (request.method !== 'GET' && refusal) return answer(refusal.status, refusal)
  if (request.method === 'POST') {
    const { key, state } = await request.json() as Dismissal
    if (new TextEncoder().encode(key).length > 200) return answer(400, { detail: 'key: must be a text of 1 to 200 bytes' })
    kept = [{ key, state, at: at(0), actor: null }, ...kept.filter(one => one.key !== key)]
  }
  if (request.method === 'DELETE') kept = kept.filter(one => one.key !== url.searchParams.get('key'))
  const made = answer(200, { items: kept })
  if (request.method === 'GET' && slow) await slow
  return made
}

beforeEach(() => {
  setActivePinia(createPinia())
  kept = []
  asked = []
  refusal = slow = null
  vi.stubGlobal('fetch', gateway)
})
afterEach(() => {
  vi.useRealTimers()
  vi.unstubAllGlobals()
})

describe('dismissals', () => {
  it('hide an issue until it changes, and not when it is wanted again', async () => {
    const store = useDismissalsStore()
    const line = lineOf('mail')
    await store.load()
    expect(store.possible).toBe(true)
    await store.dismiss(line)
    expect(kept).toMatchObject([{ key: line.key, state: line.state }])
    expect(verdictOf(situation(['mail'], store.items))).toMatchObject({ level: 'good', lines: [], dismissed: [{ key: line.key }] })
    expect(verdictOf(situation(['mail', 'other'], store.items)).lines).toHaveLength(1)
    await store.restore(line)
    expect(asked.at(-1)).toBe(`DELETE /api/v1/dismissals?key=${encodeURIComponent(line.key)}`)
    expect(kept).toEqual([])
    expect(verdictOf(situation(['mail'], store.items)).lines).toHaveLength(1)
  })

  it('fit for every name that a queue can have', async () => {
    const store = useDismissalsStore()
    const long = (end: string) => 'ü'.repeat(250) + end
    await store.dismiss(lineOf(long('a')))
    expect(store.failure).toBe('')
    expect(verdictOf(situation([long('a')], store.items)).lines).toEqual([])
    expect(verdictOf(situation([long('b')], store.items)).lines).toHaveLength(1)
  })

  it('by others are seen within half a minute', async () => {
    vi.useFakeTimers()
    const store = useDismissalsStore()
    store.start()
    await vi.advanceTimersByTimeAsync(1000)
    expect(store.items).toEqual([])
    const { key, state } = lineOf('mail')
    kept = [{ key, state, at: at(0), actor: 'anna' }]
    await vi.advanceTimersByTimeAsync(30_000)
    expect(store.items).toEqual(kept)
    expect(asked).toEqual(['GET /api/v1/dismissals', 'GET /api/v1/dismissals'])
  })

  it('are not undone by an answer from before', async () => {
    const store = useDismissalsStore()
    let go = () => {}
    slow = new Promise((resolve) => { go = resolve })
    const loading = store.load()
    await store.dismiss(lineOf('mail'))
    go()
    await loading
    expect(store.items).toEqual(kept)
    expect(store.items).toHaveLength(1)
  })

  it('are offered no longer once the gateway said that nobody may act', async () => {
    const store = useDismissalsStore()
    await store.load()
    refusal = { status: 403, detail: 'actions are disabled (gateway.actions)' }
    await store.dismiss(lineOf('mail'))
    expect(store).toMatchObject({ items: [], possible: false, failure: 'Actions are disabled (gateway.actions).' })
  })

  it('tell the truth after a request whose outcome is unknown', async () => {
    const store = useDismissalsStore()
    await store.load()
    const line = lineOf('mail')
    refusal = { status: 504, detail: 'storage timed out' }
    kept = [{ key: line.key, state: line.state, at: at(0), actor: null }]
    await store.dismiss(line)
    expect(store).toMatchObject({ possible: true, failure: 'Storage timed out.', items: kept })
  })

  it('never hide that Kanchi itself does not work', () => {
    const away = { ...situation([]), system: system({ services: [...SERVICES.slice(0, 3), service('control', 'a', { state: 'away' })], ingestion: { a: source() } }) }
    const [line] = verdictOf(away).lines
    expect(line!.area).toBe('kanchi')
    expect(verdictOf({ ...away, dismissals: [{ key: line!.key, state: line!.state }] }).lines).toHaveLength(1)
  })
})
