import { describe, expect, it } from 'vitest'
import { RowSlots } from '~/lib/tasks/rowSlots'

describe('elements of rows', () => {
  it('stay with what stays, and are taken over by what comes', () => {
    const slots = new RowSlots()
    expect(slots.assign(['a', 'b', 'c'])).toEqual([0, 1, 2])
    expect(slots.assign(['new', 'a', 'b'])).toEqual([2, 0, 1])
    expect(slots.assign(['x', 'y', 'z'])).toEqual([2, 0, 1])
  })

  it('grow with the list, and no number is there twice', () => {
    const slots = new RowSlots()
    slots.assign(['a', 'b', 'c'])
    slots.assign(['b'])
    const numbers = slots.assign(['b', 'c', 'd', 'e'])
    expect(numbers[0]).toBe(1)
    expect(new Set(numbers).size).toBe(4)
  })
})
