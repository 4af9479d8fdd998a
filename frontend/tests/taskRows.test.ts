import { describe, expect, it } from 'vitest'
import { firstSeen, isNewer, mergeRows } from '~/lib/tasks/taskRows'
import { at, task, tasks } from './fixtures'

const newestFirst = (n: number, from = 0) => tasks(n, from).reverse()
const ids = (rows: { id: string }[]) => rows.map(row => row.id)

describe('rows of the task list', () => {
  it('puts created tasks on top, the newest first, whatever their clocks say', () => {
    const late = task({ id: 'skewed', received_at: at(-3600) })
    expect(ids(mergeRows(newestFirst(2), [late, ...tasks(1, 9)], 10, true))).toEqual(['t9', 'skewed', 't1', 't0'])
  })

  it('puts others where their time says', () => {
    expect(ids(mergeRows([...newestFirst(1, 5), ...newestFirst(1, 1)], tasks(1, 3), 10))).toEqual(['t5', 't3', 't1'])
  })

  it('changes rows where they stand', () => {
    const rows = newestFirst(3)
    const merged = mergeRows(rows, [task({ id: 't1', status: 'success', received_at: at(1), updated_at: at(60) })], 10)
    expect(ids(merged)).toEqual(['t2', 't1', 't0'])
    expect(merged[1]!.status).toBe('success')
    expect(rows[1]!.status).toBe('received')
  })

  it('does not go back to an older state', () => {
    const rows = [task({ status: 'success', updated_at: at(9) })]
    expect(mergeRows(rows, [task({ status: 'started', updated_at: at(3) })], 10)[0]!.status).toBe('success')
    expect(isNewer(rows[0]!, task({ updated_at: at(9) }))).toBe(true)
  })

  it('keeps tasks of different sources with the same id apart', () => {
    expect(mergeRows([task()], [task({ source: 'other' })], 10)).toHaveLength(2)
  })

  it('never holds more than its limit, and drops the oldest', () => {
    expect(ids(mergeRows(newestFirst(3), tasks(2, 7), 3, true))).toEqual(['t8', 't7', 't2'])
  })

  it('takes the earliest time of a task as when it was first seen', () => {
    expect(firstSeen(task({ sent_at: at(-1), received_at: at(0) }))).toBe(Date.parse(at(-1)))
    expect(firstSeen(task({ received_at: null, updated_at: null }))).toBe(0)
  })
})
