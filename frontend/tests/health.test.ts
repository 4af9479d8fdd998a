import { describe, expect, it } from 'vitest'
import { emptyReason } from '~/lib/health'
import { source, system } from './fixtures'

describe('an empty dashboard', () => {
  it.each([
    ['no broker', system({ ingestion: { a: source({ state: 'away' }) } }), 0, 'Waiting for the broker'],
    ['no worker', system({ ingestion: { a: source() } }), 0, 'No workers yet'],
    ['pickled events', system({ ingestion: { a: source() }, findings: [{ severity: 'warning', code: 'events_unreadable', source: 'a', subject: null, text: '3 messages.', remedy: null }] }), 0, 'Can\'t read events'],
    ['no task', system({ ingestion: { a: source() } }), 3, 'Workers are online, no tasks yet'],
  ])('says what to do with %s', (_, state, workers, title) => {
    const reason = emptyReason(state, workers)
    expect(reason.title).toBe(title)
    expect(reason.lines.length).toBeGreaterThan(0)
  })
})
