import { describe, expect, it } from 'vitest'
import { limitsOf } from '~/lib/fleet/limits'

describe('the limits of a worker\'s tasks', () => {
  it.each([
    ['shop.mail', {}],
    ['shop.mail [rate_limit=100/m]', { 'shop.mail': { rate: '100/m', soft: null, hard: null } }],
    ['shop.mail [rate_limit=0.5/s soft_time_limit=1.5 time_limit=30]', { 'shop.mail': { rate: '0.5/s', soft: 1.5, hard: 30 } }],
    ['shop.mail [time_limit=30]', { 'shop.mail': { rate: null, soft: null, hard: 30 } }],
    ['a [rate_limit=1/s] b [rate_limit=2/h]', { 'a [rate_limit=1/s] b': { rate: '2/h', soft: null, hard: null } }],
    // No limit.
    ['shop.mail [rate_limit=0]', {}],
    ['shop.mail [rate_limit=nonsense time_limit=]', {}],
    ['a [b]', {}],
  ])('%s', (told, limits) => expect(Object.fromEntries(limitsOf([told])!)).toEqual(limits))

  it('takes nothing for granted', () => {
    expect(limitsOf({})).toBeNull()
    expect(limitsOf([null, 1, ['x [rate_limit=1/s]']])?.size).toBe(0)
  })
})
