import type { WorkerLife } from '~/api/types'

/** A stretch of a worker's life. Unknown stretches are left out. */
export interface LifeSpan { from: number, to: number, online: boolean }
export interface LifeStrip {
  spans: LifeSpan[]
  /** When it was started anew. */
  restarts: number[]
  /** Share of the known time in which it was online; null when nothing is known. */
  uptime: number | null
}

/** From its changes to a strip. Before the first change nothing is known, unless one lies before the period. */
export function stripOf(life: WorkerLife): LifeStrip {
  const begin = Date.parse(life.from)
  const end = Date.parse(life.to)
  const spans: LifeSpan[] = []
  const restarts: number[] = []
  life.items.forEach((item, i) => {
    const at = Date.parse(item.at)
    const from = Math.max(begin, at)
    const next = life.items[i + 1]
    const to = next ? Math.min(end, Date.parse(next.at)) : end
    const online = item.change !== 'offline'
    if (item.change === 'restart' && at >= begin) restarts.push(at)
    const last = spans.at(-1)
    if (to <= from || item.change === 'unknown') return
    if (last && last.to === from && last.online === online) last.to = to
    else spans.push({ from, to, online })
  })
  const known = spans.reduce((sum, span) => sum + span.to - span.from, 0)
  const up = spans.reduce((sum, span) => sum + (span.online ? span.to - span.from : 0), 0)
  return { spans, restarts, uptime: known > 0 ? up / known : null }
}
