import { t } from '~/texts'

/** Numbers, times and sizes as text, in the language of the page. Pure: no clock of their own. */

const NONE = '–'

/** 1234567 as "1,234,567". */
export function formatCount(n: number | null | undefined): string {
  return n == null || !Number.isFinite(n) ? NONE : Math.round(n).toLocaleString(t.format.locale)
}

/** Short enough for a small place: 950, 12.4k, 3.1M. */
export function formatShort(n: number | null | undefined): string {
  if (n == null || !Number.isFinite(n)) return NONE
  const abs = Math.abs(n)
  for (const [size, unit] of [[1e9, 'B'], [1e6, 'M'], [1e4, 'k']] as const) {
    if (abs >= size) {
      const scaled = n / (unit === 'k' ? 1e3 : size)
      return `${trim(scaled, Math.abs(scaled) < 100 ? 1 : 0)}${t.format.short[unit]}`
    }
  }
  return formatCount(n)
}

/** A rate per second: 0.12, 5.2, 48, 12.4k. */
export function formatRate(n: number | null | undefined): string {
  if (n == null || !Number.isFinite(n)) return NONE
  if (n === 0) return '0'
  if (n < 1) return fixed(n, 2)
  if (n < 20) return fixed(n, 1)
  return formatShort(n)
}

/** 0.9834 as "98.3%"; all but exactly all is never shown as 100%. */
export function formatShare(share: number | null | undefined): string {
  if (share == null || !Number.isFinite(share)) return NONE
  if (share >= 1) return t.format.percent('100')
  const percent = Math.min(share * 100, 99.99)
  return t.format.percent(fixed(percent, percent >= 99.9 ? 2 : 1))
}

/** Seconds as people say them: 840 µs, 12 ms, 3.4 s, 2 min 5 s, 3 h 12 min, 4 d 2 h. */
export function formatSeconds(seconds: number | null | undefined): string {
  if (seconds == null || !Number.isFinite(seconds)) return NONE
  const sign = seconds < 0 ? '−' : ''
  const s = Math.abs(seconds)
  if (s === 0) return '0 s'
  if (s < 0.001) return `${sign}${Math.max(1, Math.round(s * 1e6))} µs`
  if (s < 0.9995) return `${sign}${trim(s * 1e3, s < 0.00995 ? 1 : 0)} ms`
  if (s < 59.95) return `${sign}${fixed(s, s < 9.995 ? 2 : 1)} s`
  const whole = Math.round(s)
  const [d, h, m] = [Math.floor(whole / 86400), Math.floor(whole / 3600) % 24, Math.floor(whole / 60) % 60]
  if (d > 0) return `${sign}${d} d${h ? ` ${h} h` : ''}`
  if (h > 0) return `${sign}${h} h${m ? ` ${m} min` : ''}`
  return `${sign}${m} min${whole % 60 ? ` ${whole % 60} s` : ''}`
}

/** 3.27 as "3.3%", 42.6 as "43%": for what is measured in percent and may exceed 100. */
export function formatPercent(percent: number | null | undefined, digits?: number): string {
  return percent == null || !Number.isFinite(percent) ? NONE : t.format.percent(fixed(percent, digits ?? (percent < 10 ? 1 : 0)))
}

/** How wrong a clock is: seconds ahead of ours, negative when it is behind. */
export function formatSkew(seconds: number): string {
  const by = formatSeconds(Math.abs(seconds))
  return seconds < 0 ? t.format.behind(by) : t.format.ahead(by)
}

export function formatBytes(bytes: number | null | undefined): string {
  if (bytes == null || !Number.isFinite(bytes)) return NONE
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  let value = bytes
  let unit = 0
  while (value >= 1024 && unit < units.length - 1) { value /= 1024; unit++ }
  return `${unit === 0 ? value : trim(value, value < 10 ? 1 : 0)} ${units[unit]}`
}

/** How long ago, for a glance: just now, 12 s ago, 5 min ago, 3 h ago, 4 d ago. */
export function formatAgo(at: string | null | undefined, now: number): string {
  const ms = parseTime(at)
  if (ms === null) return NONE
  const s = (now - ms) / 1000
  if (s < 1.5) return s < -60 ? t.format.in(largest(-s)) : t.format.justNow
  return t.format.ago(largest(s))
}

function largest(s: number): string {
  if (s < 60) return `${Math.round(s)} s`
  if (s < 3600) return `${Math.floor(s / 60)} min`
  if (s < 86400) return `${Math.floor(s / 3600)} h`
  return `${Math.floor(s / 86400)} d`
}

/** Milliseconds since 1970 with the fraction that the text has (microseconds); null when there is none. */
export function parseTime(at: string | null | undefined): number | null {
  if (!at) return null
  const ms = Date.parse(at)
  if (Number.isNaN(ms)) return null
  const beyond = /\.\d{3}(\d{1,6})/.exec(at)
  return beyond ? ms + Number(`0.${beyond[1]}`) : ms
}

const pad = (n: number, width = 2) => String(n).padStart(width, '0')

/** In the viewer's zone, or in UTC: 14:03:07.120 today, 23 Nov 14:03:07 on other days. */
export function formatClock(at: string | null | undefined, now: number, fraction = false, utc = false): string {
  const ms = parseTime(at)
  if (ms === null) return NONE
  const d = partsOf(ms, utc)
  const today = partsOf(now, utc)
  const time = `${pad(d.hour)}:${pad(d.minute)}:${pad(d.second)}${fraction ? `.${pad(d.ms, 3)}` : ''}`
  if (d.day === today.day && d.month === today.month && d.year === today.year) return time
  return `${t.format.date(d.day, t.format.months[d.month]!, d.year === today.year ? null : d.year)} ${time}`
}

function partsOf(ms: number, utc: boolean) {
  const d = new Date(ms)
  return utc
    ? { year: d.getUTCFullYear(), month: d.getUTCMonth(), day: d.getUTCDate(), hour: d.getUTCHours(), minute: d.getUTCMinutes(), second: d.getUTCSeconds(), ms: d.getUTCMilliseconds() }
    : { year: d.getFullYear(), month: d.getMonth(), day: d.getDate(), hour: d.getHours(), minute: d.getMinutes(), second: d.getSeconds(), ms: d.getMilliseconds() }
}

/** The whole time in UTC, for a tooltip. */
export function formatUtc(at: string | null | undefined): string {
  return at ? `${at.replace('T', ' ').replace(/Z$/, '')} UTC` : ''
}

/** At most `digits` decimals, without trailing zeros. */
function trim(n: number, digits: number): string {
  const text = n.toFixed(digits)
  return (digits > 0 ? text.replace(/\.?0+$/, '') : text).replace('.', t.format.decimal)
}

/** Always this many decimals. */
export function fixed(n: number, digits: number): string {
  return n.toFixed(digits).replace('.', t.format.decimal)
}

/** "1 task", "2 tasks". */
export function plural(n: number, one: string, many = `${one}s`): string {
  return `${formatCount(n)} ${n === 1 ? one : many}`
}

/** A text of a service as a sentence: "no such task" as "No such task." What is no word at its beginning, such as the name of a setting, stays. */
export function sentenceOf(text: string): string {
  const whole = text.trim()
  const begun = /^[a-z]+(?:['’][a-z]+)?(?=[\s,;]|$)/.test(whole) ? whole.charAt(0).toUpperCase() + whole.slice(1) : whole
  return /[\p{L}\p{N})\]"'”’%]$/u.test(begun) ? `${begun}.` : begun
}
