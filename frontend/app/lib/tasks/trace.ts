import type { Task } from '~/api/types'
import { parseTime } from '../format'

/** A workflow as rows in the order of a tree, each with its times, for a waterfall. */
export interface TraceRow {
  task: Task
  depth: number
  /** Milliseconds since 1970: when it was sent, when it began to run, when it ended; null while it has not. */
  from: number
  began: number | null
  ended: number | null
}

const DEEPEST = 12

export function traceOf(family: readonly Task[]): TraceRow[] {
  const byId = new Map(family.map(task => [task.id, task]))
  const children = new Map<string | null, Task[]>()
  for (const task of family) {
    // What has lost its parent stands at the top.
    const parent = task.parent_id && task.parent_id !== task.id && byId.has(task.parent_id) ? task.parent_id : null
    children.set(parent, [...children.get(parent) ?? [], task])
  }
  const rows: TraceRow[] = []
  const seen = new Set<string>()
  function add(parent: string | null, depth: number): void {
    for (const task of [...children.get(parent) ?? []].sort((a, b) => startOf(a) - startOf(b))) {
      // Events may say anything, also that two tasks are each other's parents.
      if (seen.has(task.id)) continue
      seen.add(task.id)
      rows.push({ task, depth: Math.min(depth, DEEPEST), from: startOf(task), began: parseTime(task.started_at), ended: endOf(task) })
      add(task.id, depth + 1)
    }
  }
  add(null, 0)
  for (const task of family) if (!seen.has(task.id)) { children.set(null, [task]); add(null, 0) }
  return rows
}

/** The whole stretch of time; what still runs reaches to `now`. */
export function extentOf(rows: readonly TraceRow[], now: number): { from: number, to: number } {
  const from = Math.min(...rows.map(row => row.from))
  const to = Math.max(...rows.map(row => row.ended ?? (row.task.completed_at ? row.from : Math.max(now, row.from))))
  return { from, to: Math.max(to, from + 1) }
}

function startOf(task: Task): number {
  return parseTime(task.sent_at) ?? parseTime(task.received_at) ?? parseTime(task.started_at) ?? parseTime(task.updated_at) ?? 0
}

function endOf(task: Task): number | null {
  return parseTime(task.completed_at)
}
