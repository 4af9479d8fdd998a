/** Between RFC 3339 in UTC and the text of an <input type="datetime-local"> in the viewer's zone. */

const two = (n: number) => String(n).padStart(2, '0')

export function toLocalInput(at: string): string {
  const d = new Date(at)
  if (!at || Number.isNaN(d.getTime())) return ''
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())}T${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`
}

export function fromLocalInput(text: string): string {
  const d = new Date(text)
  return !text || Number.isNaN(d.getTime()) ? '' : d.toISOString()
}

/** The time of day in the viewer's zone, or in UTC, for an axis. */
export function clockText(second: number, withSeconds = false, utc = false): string {
  const d = new Date(second * 1000)
  const [h, m, s] = utc ? [d.getUTCHours(), d.getUTCMinutes(), d.getUTCSeconds()] : [d.getHours(), d.getMinutes(), d.getSeconds()]
  return `${two(h!)}:${two(m!)}${withSeconds ? `:${two(s!)}` : ''}`
}
