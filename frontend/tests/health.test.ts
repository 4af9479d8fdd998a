import { describe, expect, it } from 'vitest'
import { emptyReason, healthOf } from '~/lib/health'
import { source, system } from './fixtures'

const service = (state: 'ready' | 'degraded' | 'away') => ({
  name: 'storage', id: 's', source: null, state, version: null, host: null, pid: null, started_at: null, seen_at: null, uptime_seconds: 1, rss_bytes: 1, cpu_seconds: 1, detail: null,
})

describe('health', () => {
  it.each([
    ['nothing known', null, 'unknown', 'Checking…'],
    ['all well', system({ services: [service('ready')], ingestion: { default: source() } }), 'good', 'Kanchi OK'],
    ['a service away', system({ services: [service('away')] }), 'error', '1 issue'],
    ['a service degraded', system({ services: [service('degraded')] }), 'warning', '1 warning'],
    ['a broker away', system({ ingestion: { a: source({ state: 'away', error: 'refused' }), b: source({ state: 'away' }) } }), 'error', '2 issues'],
    ['events lost', system({ ingestion: { a: source({ events_lost: 3 }) } }), 'warning', '1 warning'],
    ['events late', system({ ingestion: { a: source({ lag_seconds: 60 }) } }), 'warning', '1 warning'],
    ['only notes', system({ ingestion: { a: source({ events_invalid: 3 }) } }), 'good', 'Kanchi OK'],
  ])('with %s', (_, state, level, headline) => {
    expect(healthOf(state)).toMatchObject({ level, headline })
  })

  it('names the worst first', () => {
    const health = healthOf(system({
      ingestion: { a: source({ state: 'away', error: 'refused', events_invalid: 1 }) },
      findings: [{ severity: 'warning', code: 'x', source: null, subject: null, text: 'careful', remedy: 'do this' }],
    }))
    expect(health.concerns.map(concern => concern.severity)).toEqual(['error', 'warning', 'info'])
    expect(health.concerns[1]).toMatchObject({ text: 'careful', remedy: 'do this' })
  })

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
