import { describe, expect, it } from 'vitest'
import type { WaitingMessage } from '~/api/types'
import { countByName, ordered, searched } from '~/composables/queues/useWaitingMessages'
import { at } from './fixtures'

const message = (part: Partial<WaitingMessage>): WaitingMessage => ({ id: 'i', name: 'n', args: [], kwargs: {}, size: 1, sent_at: null, redelivered: false, unreadable: null, ...part } as WaitingMessage)

describe('waiting messages', () => {
  const items = [
    message({ id: 'a', name: 'odd.echo', args: [1], size: 3, sent_at: at(2) }), message({ id: 'b', name: 'odd.charge', args_repr: '(\'Needle\',)', size: 9 }),
    message({ id: 'c', name: 'odd.echo', size: 5, sent_at: at(1) }), message({ id: null, name: null }),
  ]
  it('are counted by task', () => expect(countByName(items)).toEqual([['odd.echo', 2], ['null', 1], ['odd.charge', 1]].map(([name, n]) => [name === 'null' ? null : name, n])))
  it.each([['needle', ['b']], ['ECHO', ['a', 'c']], ['[1]', ['a']], ['', ['a', 'b', 'c', null]], ['nothing', []]])('with %s are found', (text, ids) =>
    expect(searched(items, text).map(one => one.id)).toEqual(ids))
  it.each([['delivery', ['a', 'b', 'c', null]], ['oldest', ['c', 'a', 'b', null]], ['newest', ['a', 'c', 'b', null]], ['largest', ['b', 'c', 'a', null]]] as const)('are sorted: %s', (order, ids) =>
    expect(ordered(items, order).map(one => one.id)).toEqual(ids))
})
