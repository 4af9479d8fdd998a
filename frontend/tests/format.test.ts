import { describe, expect, it } from 'vitest'
import { pointsChange } from '~/lib/charts/figures'
import { formatAgo, formatBytes, formatClock, formatCount, formatPercent, formatRate, formatSeconds, formatShare, formatShort, formatSkew, formatUtc, parseTime, plural, sentenceOf } from '~/lib/format'
import { setLanguage } from '~/texts'

describe('format', () => {
  it.each([
    [null, '–'], [0, '0 s'], [0.0000004, '1 µs'], [0.00084, '840 µs'], [0.0036, '3.6 ms'], [0.012, '12 ms'], [0.9994, '999 ms'],
    [0.9996, '1.00 s'], [3.41, '3.41 s'], [12.34, '12.3 s'], [59.96, '1 min'], [125, '2 min 5 s'], [11520, '3 h 12 min'], [356400, '4 d 3 h'], [-2, '−2.00 s'], [Number.NaN, '–'],
  ])('says %s seconds as %s', (seconds, text) => expect(formatSeconds(seconds)).toBe(text))
  it.each([
    ['no such task', 'No such task.'], ['it\'s gone', 'It\'s gone.'], ['Done.', 'Done.'], ['cursor: not issued by this list', 'cursor: not issued by this list.'], ['task_name must be a text', 'task_name must be a text.'],
    ['gateway.actions is off', 'gateway.actions is off.'], ['celery@a did not reply', 'celery@a did not reply.'], ['refused', 'Refused.'], ['see (look_max)', 'See (look_max).'], ['', ''],
  ])('writes %s as the sentence %s', (text, sentence) => expect(sentenceOf(text)).toBe(sentence))
  it('writes numbers as the language does', async () => {
    expect([formatPercent(3.27), formatPercent(142.6), formatPercent(null)]).toEqual(['3.3%', '143%', '–'])
    await setLanguage('de')
    expect([formatPercent(3.27), formatCount(9999), formatShare(0.9834), formatAgo('2026-11-30T10:00:00Z', Date.parse('2026-11-30T10:05:00Z'))]).toEqual(['3,3 %', '9.999', '98,3 %', 'vor 5 min'])
    expect(formatClock('2026-11-23T14:03:07Z', Date.parse('2026-11-30T10:05:00Z'), false, true)).toBe('23. Nov. 14:03:07')
    expect(pointsChange(0.1, 0.05)!.text).toBe('5,0 Pp.')
    await setLanguage('en')
  })
  it('says which way a clock is wrong', () => expect([7200, -1.5].map(formatSkew)).toEqual(['2 h ahead', '1.50 s behind']))

  it.each([[null, '–'], [0, '0'], [999, '999'], [9999, '9,999'], [12_400, '12.4k'], [181_204, '181k'], [3_140_000, '3.1M'], [2e9, '2B']])('shortens %s to %s', (n, text) => expect(formatShort(n)).toBe(text))

  it.each([[0, '0'], [0.123, '0.12'], [5.2, '5.2'], [48.4, '48'], [12_400, '12.4k']])('says a rate of %s as %s', (n, text) => expect(formatRate(n)).toBe(text))

  it.each([[null, '–'], [1, '100%'], [0.99999, '99.99%'], [0.9834, '98.3%'], [0, '0.0%']])('says a share of %s as %s', (n, text) => expect(formatShare(n)).toBe(text))

  it.each([[512, '512 B'], [1536, '1.5 KiB'], [31_457_280, '30 MiB']])('says %s bytes as %s', (n, text) => expect(formatBytes(n)).toBe(text))

  it('says how long ago', () => {
    const now = Date.parse('2026-11-23T10:00:00Z')
    expect(formatAgo('2026-11-23T09:59:59.500000Z', now)).toBe('just now')
    expect(formatAgo('2026-11-23T09:59:18.000000Z', now)).toBe('42 s ago')
    expect(formatAgo('2026-11-23T07:00:00.000000Z', now)).toBe('3 h ago')
    expect(formatAgo('2026-11-24T10:00:00.000000Z', now)).toBe('in 1 d')
    expect(formatAgo(null, now)).toBe('–')
  })

  it('keeps microseconds', () => {
    expect(parseTime('1970-01-01T00:00:01.000250Z')).toBe(1000.25)
    expect(parseTime('nonsense')).toBeNull()
  })

  it('names the day only of other days', () => {
    const now = new Date(2026, 10, 23, 12).getTime()
    expect(formatClock(new Date(2026, 10, 23, 9, 5, 7, 45).toISOString(), now, true)).toBe('09:05:07.045')
    expect(formatClock(new Date(2026, 10, 2, 9, 5, 7).toISOString(), now)).toBe('2 Nov 09:05:07')
    expect(formatClock(new Date(2025, 0, 2, 9, 5, 7).toISOString(), now)).toBe('2 Jan 2025 09:05:07')
  })

  it('counts in English', () => {
    expect([plural(1, 'queue'), plural(2, 'queue'), plural(12_000, 'task')]).toEqual(['1 queue', '2 queues', '12,000 tasks'])
    expect(formatCount(1_234_567)).toBe('1,234,567')
    expect(formatUtc('2026-11-23T10:00:00.120001Z')).toBe('2026-11-23 10:00:00.120001 UTC')
  })
})
