import { describe, expect, it } from 'vitest'
import { moveBrush, stretchOf } from '~/lib/charts/brush'
import { held } from '~/lib/charts/depths'
import { emptyFilter } from '~/lib/tasks/filters'
import { isTyping, KeyReader, type Shortcut } from '~/lib/keys'
import { PageWindow } from '~/lib/tasks/pages'
import { findEntries, firstChoice, matchScore, type PaletteEntry } from '~/lib/palette'
import { allShortcuts } from '~/lib/shortcuts'
import { withColumns } from '~/lib/tasks/columns'
import { Pace } from '~/lib/tasks/pace'
import { nextSort } from '~/lib/tasks/sorts'
import { suggestionsFor } from '~/lib/tasks/suggest'
import { seenTimes } from '~/lib/tasks/taskRows'
import { at, task, tasks } from './fixtures'

const page = (number: number) => tasks(10, number * 10)
const ids = (window: PageWindow) => [window.rows[0]!.id, window.rows.at(-1)!.id]

describe('pages of a long list', () => {
  function scrolledTo(pages: number): PageWindow {
    const window = new PageWindow(40)
    window.restart(page(0))
    for (let i = 1; i < pages; i++) window.append(`c${i}`, page(i))
    return window
  }

  it('keeps a bounded number of rows however far one scrolls, and knows all of them', () => {
    const window = scrolledTo(100)
    expect(window.rows).toHaveLength(40)
    expect(window.length).toBe(1000)
    expect(window.offset).toBe(960)
    expect(ids(window)).toEqual(['t960', 't999'])
    expect(window.at(970)!.id).toBe('t970')
    expect(window.at(5)).toBeUndefined()
  })

  it('loads what was given up, page by page, on the way back', () => {
    const window = scrolledTo(100)
    const wanted = window.missing(955, 990)!
    expect(window.marks[wanted]!.cursor).toBe('c95')
    window.put(wanted, page(95))
    expect(window.missing(955, 985)).toBeNull()
    expect(window.rows).toHaveLength(40)
    expect(ids(window)).toEqual(['t950', 't989'])
  })

  it('jumps when the scroll bar is dragged far away', () => {
    const window = scrolledTo(100)
    const wanted = window.missing(500, 530)!
    window.put(wanted, page(50))
    expect(ids(window)).toEqual(['t500', 't509'])
    expect(window.missing(500, 530)).toBe(51)
  })

  it('keeps the first page: asked for again it would be another one', () => {
    const window = scrolledTo(100)
    expect(window.missing(0, 20)).toBe(0)
    window.put(0, window.top)
    expect(ids(window)).toEqual(['t0', 't9'])
  })

  it('bears a page that has become shorter', () => {
    const window = scrolledTo(100)
    window.put(window.missing(955, 990)!, page(95).slice(0, 4))
    expect(window.length).toBe(994)
    expect(window.offset).toBe(950)
  })
})

describe('the filter\'s field', () => {
  const known = { name: ['shop.mail.send', 'shop.pay'], worker: ['celery@mail'], queue: ['mail'], source: ['a'] }
  const labels = (typed: string, filter = emptyFilter()) => suggestionsFor(typed, known, filter).map(suggestion => suggestion.label)

  it('offers the fields first, and the source only when there are several', () => {
    expect(labels('')).toEqual(['status:', 'task:', 'worker:', 'queue:', 'time:', 'resolved:'])
    expect(suggestionsFor('', { ...known, source: ['a', 'b'] }, emptyFilter()).map(s => s.label)).toContain('source:')
  })

  it('searches for what is typed, and offers what has it in its name', () => {
    expect(labels('mail')).toEqual(['“mail”', 'shop.mail.send', 'celery@mail', 'mail'])
  })

  it('completes a field, and takes what nobody knows yet', () => {
    expect(labels('status:fail')).toEqual(['Failed'])
    expect(labels('worker:celery@new')).toEqual(['celery@new'])
    expect(labels('time:1')).toEqual(['Last 10 min', 'Last 15 min', 'Last 1 h'])
    expect(labels('time:45 min')).toEqual(['Last 45 min'])
    expect(suggestionsFor('time:10m', known, emptyFilter())[0]).toMatchObject({ kind: 'period', value: '10m' })
    expect(labels('resolved:n')).toEqual(['Not resolved'])
  })

  it('leaves out what is chosen', () => {
    expect(labels('queue:mail', { ...emptyFilter(), queue: ['mail'] })).toEqual([])
  })
})

describe('a list that gets more than one can read', () => {
  it('is too fast above five a second, and slow again well below', () => {
    const pace = new Pace()
    for (let s = 0; s < 4; s++) pace.add(4, s * 1000)
    expect(pace.judge(3500)).toBe(false)
    for (let s = 4; s < 8; s++) pace.add(20, s * 1000)
    expect(pace.judge(7500)).toBe(true)
    expect(pace.rate(7500)).toBe(20)
    expect(pace.judge(10_500)).toBe(true)
    expect(pace.judge(12_000)).toBe(false)
  })
})

describe('the time at which rows were first seen', () => {
  const rows = [task({ id: 'c', received_at: at(3), updated_at: at(3) }), task({ id: 'b', received_at: at(5), updated_at: at(5) }), task({ id: 'a', received_at: at(4), updated_at: at(4) })]
  const seconds = (times: number[]) => times.map(ms => (ms - Date.parse(at(0))) / 1000)

  it('never runs backwards in a list in the order of arrival', () => {
    expect(seconds(seenTimes(rows, 0, 3, 'newest'))).toEqual([5, 5, 4])
    expect(seconds(seenTimes(rows, 0, 1, 'newest'))).toEqual([5])
    expect(seconds(seenTimes(rows.toReversed(), 0, 3, 'oldest'))).toEqual([4, 5, 5])
    expect(seconds(seenTimes(rows.toReversed(), 2, 3, 'oldest'))).toEqual([5])
  })

  it('is the task\'s own in any other order', () => {
    expect(seconds(seenTimes(rows, 0, 3, 'slowest'))).toEqual([3, 5, 4])
  })
})

describe('the order of the list', () => {
  it('is chosen by headings, and given back by another press', () => {
    expect([nextSort('seen', 'newest'), nextSort('seen', 'oldest'), nextSort('runtime', 'newest'), nextSort('runtime', 'slowest'), nextSort('queue', 'newest')]).toEqual(['oldest', 'newest', 'slowest', 'newest', null])
  })

  it('shows the column that it goes by', () => {
    expect(withColumns([{ key: 'task', shown: true, width: 300 }], ['runtime', 'task']).map(column => column.key)).toEqual(['task', 'runtime'])
  })
})

describe('the keyboard', () => {
  const shortcut = (keys: string, always = false): Shortcut => ({ keys, text: '', group: '', run: () => {}, always })
  const all = [shortcut('j'), shortcut('g t'), shortcut('mod+k', true)]
  const key = (text: string, ctrlKey = false) => ({ key: text, ctrlKey, metaKey: false, altKey: false })

  it('reads single keys, sequences and combinations', () => {
    const reader = new KeyReader()
    expect(reader.read(key('j'), all, false, 0)?.keys).toBe('j')
    expect(reader.read(key('g'), all, false, 10)).toBeNull()
    expect(reader.read(key('t'), all, false, 200)?.keys).toBe('g t')
    expect(reader.read(key('K', true), all, false, 300)?.keys).toBe('mod+k')
  })

  it('forgets the first key after a while', () => {
    const reader = new KeyReader()
    reader.read(key('g'), all, false, 0)
    expect(reader.read(key('t'), all, false, 5000)).toBeNull()
  })

  it('leaves text to who types', () => {
    const reader = new KeyReader()
    expect(reader.read(key('j'), all, true, 0)).toBeNull()
    expect(reader.read(key('k', true), all, true, 0)?.keys).toBe('mod+k')
    const box = document.createElement('input')
    expect(isTyping(box)).toBe(true)
    box.type = 'checkbox'
    expect(isTyping(box)).toBe(false)
  })
})

describe('the palette', () => {
  it('finds words in any order, and beginnings before the rest', () => {
    expect(matchScore('shop.mail.send', 'send mail')).toBeGreaterThan(0)
    expect(matchScore('shop.mail.send', 'sendx')).toBe(0)
    expect(matchScore('mail', 'mail')).toBeGreaterThan(matchScore('a mailbox', 'mail'))
  })

  it('shows the best of each group', () => {
    const entries: PaletteEntry[] = Array.from({ length: 20 }, (_, i) => ({ key: `${i}`, group: i % 2 ? 'a' : 'b', label: `worker ${i}` }))
    expect(findEntries(entries, 'worker')).toHaveLength(16)
    expect(findEntries(entries, '19').map(entry => entry.key)).toEqual(['19'])
  })
})

describe('what Enter takes in the palette', () => {
  const entries: PaletteEntry[] = [
    { key: 'retry all', group: 'Actions', label: 'Retry', detail: 'All tasks', careful: true },
    { key: 'send', group: 'Actions', label: 'Send task' },
    { key: 'tasks', group: 'Pages', label: 'Tasks' },
    { key: 'late', group: 'Tasks', label: 'shop.mail.send', found: true },
  ]

  it('is never what changes something, even when only that matches', () => {
    expect(firstChoice(findEntries(entries, ''))!.key).toBe('send')
    expect(firstChoice(findEntries(entries, 'retry'))!.key).toBe('late')
    expect(firstChoice(findEntries(entries.slice(0, 1), 'retry'))).toBeUndefined()
  })

  it('is the best match, which stands first, also when it came later', () => {
    expect(findEntries(entries, 'shop.mail')[0]!.key).toBe('late')
    expect(findEntries(entries, 'tasks')[0]!.key).toBe('tasks')
  })
})

describe('the list of shortcuts', () => {
  const files = Object.entries(import.meta.glob('../app/**/*.vue', { query: '?raw', import: 'default', eager: true }) as Record<string, string>)

  it('has every shortcut of every component', () => {
    const used = files.filter(([, code]) => code.includes('useShortcuts(')).flatMap(([file, code]) => [...code.matchAll(/\bkeys: '([^']+)'/g)].map(([, keys]) => `${keys} ${file}`))
    expect(used.length).toBeGreaterThan(5)
    const listed = new Set(allShortcuts().map(shortcut => shortcut.keys))
    expect(used.filter(one => !listed.has(one.slice(0, one.lastIndexOf(' '))))).toEqual([])
  })
})

describe('charts by keyboard', () => {
  it('goes from column to column, and with Shift chooses a stretch', () => {
    const first = moveBrush(null, 'ArrowLeft', false, 60)!
    expect(first).toEqual({ at: 59, anchor: 59 })
    const wide = moveBrush(moveBrush(first, 'ArrowLeft', true, 60)!, 'ArrowLeft', true, 60)!
    expect(stretchOf(wide)).toEqual([57, 59])
    expect(moveBrush(wide, 'a', false, 60)).toBeNull()
    expect(moveBrush(null, 'Home', false, 0)).toBeNull()
  })

  it('holds a depth until the next measurement', () => {
    expect(held([null, 5, null, 9, null])).toEqual([null, 5, 5, 9, 9])
  })
})
