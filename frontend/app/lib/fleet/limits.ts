/** What limits a task on a worker: a rate as Celery writes it ("100/m"), and seconds. */
export interface TaskLimits {
  rate: string | null
  soft: number | null
  hard: number | null
}

/** What a worker is asked for, of each task that it has registered. */
export const LIMITS_ARGUMENTS = JSON.stringify({ taskinfoitems: ['rate_limit', 'soft_time_limit', 'time_limit'] })

/**
 * The tasks that have limits, from the answer to `registered`: "shop.mail [rate_limit=100/m time_limit=30]". The names of
 * tasks come from outside and may look like anything: only the last bracket counts. Null when the value is no list.
 */
export function limitsOf(value: unknown): Map<string, TaskLimits> | null {
  if (!Array.isArray(value)) return null
  const limits = new Map<string, TaskLimits>()
  for (const entry of value) {
    const [, name, items] = typeof entry === 'string' ? /^(.*) \[([^[\]]*)\]$/s.exec(entry) ?? [] : []
    if (name === undefined || items === undefined) continue
    const of = (key: string) => new RegExp(`(?:^| )${key}=(\\S+)`).exec(items)?.[1]
    const seconds = (key: string) => Number(of(key)) || null
    const rate = of('rate_limit')
    const found = { rate: rate && Number.parseFloat(rate) > 0 ? rate : null, soft: seconds('soft_time_limit'), hard: seconds('time_limit') }
    if (found.rate || found.soft || found.hard) limits.set(name, found)
  }
  return limits
}
