import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { backoffDelay } from '~/lib/backoff'
import { LiveConnection, parseFrame, type Connection, type Frame } from '~/lib/live'

class FakeSocket {
  readyState = 0
  sent: unknown[] = []
  onopen: (() => void) | null = null
  onmessage: ((message: { data: unknown }) => void) | null = null
  onclose: (() => void) | null = null
  onerror: (() => void) | null = null
  send(text: string) { this.sent.push(JSON.parse(text)) }
  close() { this.readyState = 3 }
  accept() {
    this.readyState = 1
    this.onopen?.()
    this.onmessage?.({ data: JSON.stringify({ type: 'hello', version: 1, feed: 'connected' }) })
  }

  break() { this.readyState = 3; this.onclose?.() }
}

function openLive() {
  const sockets: FakeSocket[] = []
  const states: Connection[] = []
  const frames: Frame[] = []
  const live = new LiveConnection('ws://x/', { connection: state => states.push(state), frame: frame => frames.push(frame) }, {
    open: () => { sockets.push(new FakeSocket()); return sockets.at(-1) as unknown as WebSocket },
    now: () => Date.now(),
    random: () => 1,
  })
  return { live, sockets, states, frames }
}

beforeEach(() => vi.useFakeTimers())
afterEach(() => vi.useRealTimers())

describe('live connection', () => {
  it('says its subscription when it opens, and again after each reconnection', () => {
    const { live, sockets } = openLive()
    live.subscribe(['tasks'], { status: ['failure'] })
    live.start()
    sockets[0]!.accept()
    sockets[0]!.break()
    vi.advanceTimersByTime(2_000)
    sockets[1]!.accept()
    const expected = { type: 'subscribe', topics: ['tasks'], filter: { status: ['failure'] } }
    expect([sockets[0]!.sent[0], sockets[1]!.sent[0]]).toEqual([expected, expected])
    live.stop()
  })

  it('tries for ever, with delays that grow to ten seconds', () => {
    const { live, sockets, states } = openLive()
    live.start()
    for (let i = 0; i < 50; i++) { sockets.at(-1)!.break(); vi.advanceTimersByTime(10_000) }
    expect(sockets).toHaveLength(51)
    const last = states.findLast(state => state.state === 'waiting')
    expect(last).toMatchObject({ attempt: 50 })
    live.stop()
  })

  it('is open only after hello', () => {
    const { live, sockets, states } = openLive()
    live.start()
    expect(states.at(-1)!.state).toBe('connecting')
    sockets[0]!.accept()
    expect(states.at(-1)!.state).toBe('open')
    live.stop()
  })

  it('asks for a sign of life after silence, and gives up a dead connection', () => {
    const { live, sockets, states } = openLive()
    live.start()
    sockets[0]!.accept()
    vi.advanceTimersByTime(2_000)
    expect(sockets[0]!.sent.at(-1)).toEqual({ type: 'ping' })
    vi.advanceTimersByTime(2_000)
    expect(states.at(-1)!.state).toBe('waiting')
    live.stop()
  })

  it('does not repeat an unchanged subscription', () => {
    const { live, sockets } = openLive()
    live.subscribe(['tasks'])
    live.start()
    sockets[0]!.accept()
    live.subscribe(['tasks'], {})
    expect(sockets[0]!.sent).toHaveLength(1)
    live.stop()
  })

  it('tries at once when asked to', () => {
    const { live, sockets } = openLive()
    live.start()
    sockets[0]!.break()
    live.retryNow()
    expect(sockets).toHaveLength(2)
    live.stop()
  })

  it.each([['{'], ['null'], ['[]'], ['{"type":3}'], [new ArrayBuffer(2)]])('ignores what is no frame: %s', (data) => {
    expect(parseFrame(data)).toBeNull()
  })

  it('spreads its attempts', () => {
    expect(backoffDelay(0, () => 0)).toBe(125)
    expect(backoffDelay(3, () => 1)).toBe(2000)
    expect(backoffDelay(1000, () => 1)).toBe(10_000)
  })
})
