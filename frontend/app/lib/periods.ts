import type { LocationQueryRaw, RouteLocationRaw } from 'vue-router'
import type { TaskStatus } from '~/api/types'
import { t } from '~/texts'

/**
 * The period that a page shows. Only the page's URL holds it: `last=1h`, `last=all`, or `from=…&to=…`; the default of the
 * page is left out. Figures come from rollups of a minute, so a period is resolved to whole minutes everywhere: only
 * then does a figure equal the list behind it.
 */
export interface Period {
  /** "45m", "1h", "7d", or "all"; empty when from or to is given. */
  last: string
  /** RFC 3339 in UTC; empty when that end is open. */
  from: string
  to: string
}

export interface PeriodRange {
  /** Inclusive; null when open. Milliseconds since 1970, a whole minute. */
  from: number | null
  /** Exclusive; null when open. */
  to: number | null
}

export const PERIOD_CHOICES = ['5m', '10m', '15m', '30m', '1h', '6h', '24h', '7d', '30d', 'all'] as const

const MINUTE = 60_000
/** More than this is all. */
const LONGEST_S = 100 * 366 * 86_400
const UNIT_S = { s: 1, m: 60, h: 3600, d: 86_400 } as const
const WORDS: Record<string, readonly [keyof typeof UNIT_S, number]> = {
  s: ['s', 1], sec: ['s', 1], second: ['s', 1], seconds: ['s', 1], m: ['m', 1], min: ['m', 1], minute: ['m', 1], minutes: ['m', 1],
  h: ['h', 1], hour: ['h', 1], hours: ['h', 1], d: ['d', 1], day: ['d', 1], days: ['d', 1], w: ['d', 7], week: ['d', 7], weeks: ['d', 7],
}

type UrlQuery = Record<string, string | null | (string | null)[] | undefined>

/** Seconds of "90s", "15m", "1h", "7d"; null for any other text, "all" included. */
export function parsePeriod(text: string): number | null {
  const parts = /^([1-9]\d{0,4})([smhd])$/.exec(text)
  if (!parts) return null
  const seconds = Number(parts[1]) * UNIT_S[parts[2] as keyof typeof UNIT_S]
  return seconds <= LONGEST_S ? seconds : null
}

/** The period that somebody typed, as the URL has it: "45 min" is "45m", "2 weeks" is "14d"; null when it is none. */
export function typedPeriod(text: string): string | null {
  const parts = /^([1-9]\d{0,4})\s*([a-z]+)$/.exec(text.trim().toLowerCase())
  const unit = parts && Object.hasOwn(WORDS, parts[2]!) ? WORDS[parts[2]!] : undefined
  if (!parts || !unit) return null
  const period = `${Number(parts[1]) * unit[1]}${unit[0]}`
  return parsePeriod(period) === null ? null : period
}

export function lastPeriod(last: string): Period {
  return { last, from: '', to: '' }
}

/** A period between two times, in milliseconds; an open end is null. */
export function absolutePeriod(from: number | null, to: number | null): Period {
  return { last: '', from: from === null ? '' : isoMinute(from), to: to === null ? '' : isoMinute(to) }
}

/** The period in a URL's query; the page's default when there is none, or none that makes sense. */
export function periodFromUrl(query: UrlQuery, fallback: string): Period {
  const last = firstOf(query.last)
  if (last === 'all' || parsePeriod(last) !== null) return lastPeriod(last)
  const [from, to] = [timeOf(query.from), timeOf(query.to)]
  if ((from || to) && !(from && to && Date.parse(from) >= Date.parse(to))) return { last: '', from, to }
  return lastPeriod(fallback)
}

/** The three keys of the URL for a period; undefined takes a key away. */
export function periodToUrl(period: Period, fallback: string): Record<'last' | 'from' | 'to', string | undefined> {
  if (period.last) return { last: period.last === fallback ? undefined : period.last, from: undefined, to: undefined }
  return { last: undefined, from: period.from || undefined, to: period.to || undefined }
}

/** From and to in whole minutes: from is rounded down, to is rounded up, and is the end of the running minute for "last". */
export function resolvePeriod(period: Period, now: number): PeriodRange {
  const seconds = parsePeriod(period.last)
  if (seconds !== null) return { from: floorMinute(now - seconds * 1000), to: floorMinute(now) + MINUTE }
  if (period.last) return { from: null, to: null }
  return {
    from: period.from ? floorMinute(Date.parse(period.from)) : null,
    to: period.to ? Math.ceil(Date.parse(period.to) / MINUTE) * MINUTE : null,
  }
}

/** from and to as REST takes them, in whole minutes. */
export function periodToRest(period: Period, now: number): { from?: string, to?: string } {
  const { from, to } = resolvePeriod(period, now)
  return { ...(from === null ? {} : { from: isoMinute(from) }), ...(to === null ? {} : { to: isoMinute(to) }) }
}

/** The same period with fixed ends, for a link that shows others what is on screen now. */
export function frozenPeriod(period: Period, now: number): Period {
  const { from, to } = resolvePeriod(period, now)
  return absolutePeriod(from, to ?? floorMinute(now) + MINUTE)
}

export interface TaskListParts {
  status?: TaskStatus | readonly TaskStatus[]
  name?: string
  worker?: string
  queue?: string
  source?: string
  q?: string
  /** The period is that of the tasks' end, as in every figure of finished tasks; otherwise of their first event. */
  ended?: boolean
}

/** The task list behind a figure: the same tasks, the same minutes. */
export function taskListLink(parts: TaskListParts, period: Period): RouteLocationRaw {
  const { ended, status, ...texts } = parts
  const query: LocationQueryRaw = {}
  if (status?.length) query.status = typeof status === 'string' ? status : [...status]
  for (const [key, text] of Object.entries(texts)) if (text) query[key] = text
  if (ended) query.time = 'ended'
  for (const [key, text] of Object.entries(periodToUrl(period, 'all'))) if (text) query[key] = text
  return { path: '/tasks', query }
}

/** "5 min", "24 h", "7 d", "All". */
export function periodName(last: string): string {
  const seconds = parsePeriod(last)
  if (seconds === null) return t.periods.all
  const n = Number.parseInt(last)
  return t.periods[last.at(-1) as keyof typeof UNIT_S](n)
}

/** What the control says: "Last 5 min", "All time", "14:00 – 15:00", "28 Nov, 22:00 – 29 Nov, 01:00". */
export function periodLabel(period: Period, now: number, zone: Zone): string {
  if (period.last) return period.last === 'all' ? t.periods.allTime : t.periods.last(periodName(period.last))
  const { from, to } = resolvePeriod(period, now)
  const text = (ms: number, beside: number | null) => {
    const day = dayText(ms, now, zone)
    return day === dayText(beside ?? now, now, zone) ? timeText(ms, zone) : `${day}, ${timeText(ms, zone)}`
  }
  if (from === null) return t.periods.until(text(to!, null))
  if (to === null) return t.periods.since(text(from, null))
  const sameDay = dayText(from, now, zone) === dayText(to, now, zone)
  return sameDay ? `${text(from, null)} – ${timeText(to, zone)}` : `${text(from, null)} – ${text(to, from)}`
}

/** How the viewer writes times: their language's order of day, month and year, always 24 hours, local time or UTC. */
export interface Zone { locale: string, utc: boolean }

/** "30.11.2026 14:05" in German, "11/30/2026 14:05" in American English. */
export function writeTime(ms: number, zone: Zone): string {
  return `${numericDate(zone).format(ms)} ${timeText(ms, zone)}`
}

/**
 * Milliseconds of a time as writeTime writes it, or as ISO 8601 writes it. A time alone is today's; a date alone is the
 * start of that day, or its end. Null when it is no time.
 */
export function readTime(text: string, zone: Zone, now: number, endOfDay = false): number | null {
  const time = /(?:^|[T\s])(\d{1,2}):(\d{2})(?::\d{2})?$/i.exec(text.trim())
  const dateText = (time ? text.trim().slice(0, time.index) : text).trim()
  const digits = dateText.match(/\d+/g) ?? []
  if (!time && !dateText) return null
  if (dateText && (/[a-z:+]/i.test(dateText) || digits.length < 2 || digits.length > 3)) return null
  const today = numbersOf(now, zone)
  const date = dateText ? orderedDate(digits, zone, today.year) : today
  if (!date) return null
  const [hour, minute] = time ? [Number(time[1]), Number(time[2])] : [endOfDay ? 24 : 0, 0]
  if (hour > 24 || minute > 59 || (hour === 24 && minute > 0)) return null
  const ms = zone.utc ? Date.UTC(date.year, date.month - 1, date.day, hour, minute) : new Date(date.year, date.month - 1, date.day, hour, minute).getTime()
  const noon = numbersOf(zone.utc ? Date.UTC(date.year, date.month - 1, date.day, 12) : new Date(date.year, date.month - 1, date.day, 12).getTime(), zone)
  return noon.day === date.day && noon.month === date.month ? ms : null
}

interface DateNumbers { year: number, month: number, day: number }

function orderedDate(digits: readonly string[], zone: Zone, thisYear: number): DateNumbers | null {
  const order = digits[0]!.length === 4
    ? ['year', 'month', 'day']
    : numericDate(zone).formatToParts(0).map(part => part.type).filter(type => type === 'year' || type === 'month' || type === 'day')
  const texts = order.filter(type => digits.length === 3 || type !== 'year').map((type, i) => [type, digits[i]!] as const)
  const date: DateNumbers = { year: thisYear, month: 0, day: 0, ...Object.fromEntries(texts.map(([type, digits]) => [type, Number(digits)])) }
  if (date.year < 100) date.year += 2000
  return date.year >= 1970 && date.year <= 9999 && date.month >= 1 && date.month <= 12 && date.day >= 1 && date.day <= 31 ? date : null
}

function numericDate(zone: Zone): Intl.DateTimeFormat {
  return new Intl.DateTimeFormat(zone.locale, { year: 'numeric', month: '2-digit', day: '2-digit', calendar: 'gregory', numberingSystem: 'latn', timeZone: zone.utc ? 'UTC' : undefined })
}

function numbersOf(ms: number, zone: Zone): DateNumbers {
  const d = new Date(ms)
  return zone.utc
    ? { year: d.getUTCFullYear(), month: d.getUTCMonth() + 1, day: d.getUTCDate() }
    : { year: d.getFullYear(), month: d.getMonth() + 1, day: d.getDate() }
}

function dayText(ms: number, now: number, zone: Zone): string {
  const year = numbersOf(ms, zone).year === numbersOf(now, zone).year ? undefined : 'numeric'
  return new Intl.DateTimeFormat(zone.locale, { day: 'numeric', month: 'short', year, calendar: 'gregory', numberingSystem: 'latn', timeZone: zone.utc ? 'UTC' : undefined }).format(ms)
}

function timeText(ms: number, zone: Zone): string {
  const d = new Date(ms)
  const [hour, minute] = zone.utc ? [d.getUTCHours(), d.getUTCMinutes()] : [d.getHours(), d.getMinutes()]
  return `${String(hour).padStart(2, '0')}:${String(minute).padStart(2, '0')}`
}

function floorMinute(ms: number): number {
  return Math.floor(ms / MINUTE) * MINUTE
}

function isoMinute(ms: number): string {
  return new Date(ms).toISOString().replace('.000Z', 'Z')
}

function firstOf(value: UrlQuery[string]): string {
  const one = Array.isArray(value) ? value[0] : value
  return typeof one === 'string' ? one : ''
}

function timeOf(value: UrlQuery[string]): string {
  const text = firstOf(value)
  return /^\d{4}-\d{2}-\d{2}T/.test(text) && text.length <= 40 && !Number.isNaN(Date.parse(text)) ? text : ''
}
