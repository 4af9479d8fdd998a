import { describe, expect, it } from 'vitest'
import { absolutePeriod, frozenPeriod, lastPeriod, PERIOD_CHOICES, periodFromUrl, periodLabel, periodName, periodToRest, periodToUrl, readTime, resolvePeriod, taskListLink, typedPeriod, writeTime } from '~/lib/periods'

const NOW = Date.parse('2026-11-30T14:05:42.500Z')
const AT = Date.parse('2026-11-30T14:05:00Z')
const UTC = { locale: 'en-GB', utc: true }

describe('periods in the URL', () => {
  it.each(PERIOD_CHOICES)('keep the choice %s, and leave out the default', (last) => {
    expect(periodFromUrl(periodToUrl(lastPeriod(last), '1h'), '1h')).toEqual(lastPeriod(last))
    expect(periodToUrl(lastPeriod(last), last)).toEqual({ last: undefined, from: undefined, to: undefined })
  })

  it('keep from and to, together or alone', () => {
    for (const period of [absolutePeriod(NOW - 3_600_000, NOW), absolutePeriod(null, NOW), absolutePeriod(NOW, null)]) {
      expect(periodFromUrl(periodToUrl(period, '1h'), '1h')).toEqual(period)
    }
  })

  it.each([
    {}, { last: 'yesterday' }, { last: '0m' }, { last: '99999d' }, { from: 'noon' }, { last: null }, { to: ['x', 'y'] },
    { from: '2026-11-30T15:00:00Z', to: '2026-11-30T14:00:00Z' },
  ])('fall back to the default of the page: %j', (query) => {
    expect(periodFromUrl(query, '6h')).toEqual(lastPeriod('6h'))
  })
})

describe('a period that somebody types', () => {
  it.each([['45m', '45m'], [' 45 min ', '45m'], ['2 hours', '2h'], ['2 weeks', '14d'], ['90S', '90s'], ['1h30m', null], ['-5m', null], ['5', null], ['constructor', null], ['5 constructor', null]])('%j is %j', (text, period) => {
    expect(typedPeriod(text)).toBe(period)
  })
})

describe('resolving', () => {
  it('gives whole minutes: from rounded down, to at the end of the running minute', () => {
    expect(periodToRest(lastPeriod('5m'), NOW)).toEqual({ from: '2026-11-30T14:00:00Z', to: '2026-11-30T14:06:00Z' })
    expect(periodToRest(lastPeriod('90s'), NOW)).toEqual({ from: '2026-11-30T14:04:00Z', to: '2026-11-30T14:06:00Z' })
    expect(periodToRest({ last: '', from: '2026-11-30T14:00:30Z', to: '2026-11-30T14:01:01Z' }, NOW)).toEqual({ from: '2026-11-30T14:00:00Z', to: '2026-11-30T14:02:00Z' })
  })

  it('is the same within a minute', () => {
    expect(resolvePeriod(lastPeriod('1h'), NOW)).toEqual(resolvePeriod(lastPeriod('1h'), NOW - 42_000))
  })

  it('leaves "all" open, and fixes its end for a link', () => {
    expect(periodToRest(lastPeriod('all'), NOW)).toEqual({})
    expect(frozenPeriod(lastPeriod('all'), NOW)).toEqual({ last: '', from: '', to: '2026-11-30T14:06:00Z' })
  })

  it('gives a frozen link the minutes that are on screen', () => {
    const frozen = frozenPeriod(lastPeriod('1h'), NOW)
    expect(resolvePeriod(frozen, NOW + 9_000_000)).toEqual(resolvePeriod(lastPeriod('1h'), NOW))
  })
})

describe('links to the task list', () => {
  it('have the tasks, the time that is meant, and the period', () => {
    expect(taskListLink({ status: 'failure', ended: true }, lastPeriod('1h'))).toEqual({ path: '/tasks', query: { status: 'failure', time: 'ended', last: '1h' } })
    expect(taskListLink({ name: 'shop.pay', source: '', status: [] }, lastPeriod('all'))).toEqual({ path: '/tasks', query: { name: 'shop.pay' } })
  })
})

describe('times as the viewer writes them', () => {
  it.each([['en-US', '11/30/2026 14:05'], ['en-GB', '30/11/2026 14:05'], ['de-DE', '30.11.2026 14:05'], ['sv-SE', '2026-11-30 14:05'], ['fa-IR', null], ['th-TH', '30/11/2026 14:05'], ['ko-KR', null]])('%s', (locale, text) => {
    const written = writeTime(NOW, { locale, utc: true })
    if (text) expect(written).toBe(text)
    expect(readTime(written, { locale, utc: true }, NOW)).toBe(Date.parse('2026-11-30T14:05:00Z'))
  })

  it('are read in local time too', () => {
    const local = { locale: 'en-GB', utc: false }
    expect(readTime(writeTime(NOW, local), local, NOW)).toBe(Date.parse('2026-11-30T14:05:00Z'))
  })

  it.each([
    ['2026-11-29T10:00', '2026-11-29T10:00:00Z'], ['2026-11-29 10:00:59', '2026-11-29T10:00:00Z'], ['29/11 10:00', '2026-11-29T10:00:00Z'],
    ['9:30', '2026-11-30T09:30:00Z'], ['29/11/26', '2026-11-29T00:00:00Z'],
  ])('%s is %s', (text, at) => {
    expect(readTime(text, UTC, NOW)).toBe(Date.parse(at))
  })

  it('ends a day after its last minute', () => {
    expect(readTime('29/11/2026', UTC, NOW, true)).toBe(Date.parse('2026-11-30T00:00:00Z'))
  })

  it.each(['', 'noon', '31/02/2026 10:00', '30/11/2026 25:00', '30/11/2026 10:60', '30/13/2026', '1.2.3.4'])('%j is no time', (text) => {
    expect(readTime(text, UTC, NOW)).toBeNull()
  })
})

describe('what the control says', () => {
  it.each([
    [lastPeriod('5m'), 'Last 5 min'], [lastPeriod('all'), 'All time'],
    [absolutePeriod(AT - 3_600_000, AT), '13:05 – 14:05'],
    [absolutePeriod(AT - 90_000_000, AT - 86_400_000), '29 Nov, 13:05 – 14:05'],
    [absolutePeriod(AT - 86_400_000, AT), '29 Nov, 14:05 – 30 Nov, 14:05'],
    [absolutePeriod(NOW - 31_536_000_000, null), 'Since 30 Nov 2025, 14:05'],
  ])('%j: %s', (period, label) => {
    expect(periodLabel(period, NOW, UTC)).toBe(label)
  })

  it('names a choice', () => {
    expect(PERIOD_CHOICES.map(periodName)).toEqual(['5 min', '10 min', '15 min', '30 min', '1 h', '6 h', '24 h', '7 d', '30 d', 'All'])
  })
})
