import { describe, expect, it } from 'vitest'
import { COLUMNS, gridTemplate, moveColumn, parseColumns, resizeColumn, showColumn } from '~/lib/tasks/columns'
import { defaultPreferences, parsePreferences } from '~/lib/preferences'
import { dropView, isView, MOST_VIEWS, parseViews, saveView } from '~/lib/tasks/views'

describe('preferences', () => {
  it.each([null, '', '{', '[]', 'null', '{"density":7,"columns":"x","views":[null,{}]}'])('%s is the default', (text) => {
    expect(parsePreferences(text)).toEqual(defaultPreferences())
  })

  it('keeps what makes sense', () => {
    expect(parsePreferences('{"density":"dense","zone":"mars","workersAs":"cards"}')).toMatchObject({ density: 'dense', zone: 'local', workersAs: 'cards' })
  })
})

describe('columns', () => {
  it('forgets what there is no more, and learns what is new', () => {
    const columns = parseColumns([{ key: 'queue', shown: false, width: 90 }, { key: 'gone' }, { key: 'queue' }, { key: 'task', shown: false }])
    expect(columns.map(column => column.key).slice(0, 2)).toEqual(['queue', 'task'])
    expect(columns).toHaveLength(COLUMNS.length)
    expect(columns[0]).toEqual({ key: 'queue', shown: false, width: 90 })
    expect(columns[1]!.shown).toBe(true)
  })

  it('moves, within bounds', () => {
    const columns = parseColumns(null)
    expect(moveColumn(columns, 'task', -1).map(column => column.key).slice(0, 2)).toEqual(['task', 'status'])
    expect(moveColumn(columns, 'status', -5)).toEqual(columns)
    expect(moveColumn(columns, 'status', 99).at(-1)!.key).toBe('status')
  })

  it('has a least and a greatest width', () => {
    const widthOf = (width: number) => resizeColumn(parseColumns(null), 'queue', width).find(column => column.key === 'queue')!.width
    expect([widthOf(1), widthOf(200.4), widthOf(1e9)]).toEqual([60, 200, 640])
  })

  it('never hides the task', () => {
    expect(showColumn(parseColumns(null), 'task', false).find(column => column.key === 'task')!.shown).toBe(true)
    expect(gridTemplate([{ key: 'task', shown: true, width: 300 }, { key: 'queue', shown: true, width: 80 }])).toBe('2rem minmax(300px, 1fr) 80px')
  })
})

describe('views', () => {
  it('saves under a name, and gives the same name another filter', () => {
    const once = saveView([], ' Mail ', { queue: ['mail'] })
    expect(once).toEqual([{ name: 'Mail', query: { queue: ['mail'] } }])
    expect(saveView(once, 'Mail', { queue: ['post'] })).toEqual([{ name: 'Mail', query: { queue: ['post'] } }])
    expect(saveView(once, '  ', {})).toEqual(once)
    expect(dropView(once, 'Mail')).toEqual([])
  })

  it('holds a bounded number', () => {
    const views = Array.from({ length: MOST_VIEWS + 9 }, (_, i) => ({ name: `v${i}`, query: {} }))
    expect(parseViews(views)).toHaveLength(MOST_VIEWS)
    expect(saveView(parseViews(views), 'new', {})).toHaveLength(MOST_VIEWS)
  })

  it('is what the URL shows, in whatever order', () => {
    expect(isView({ name: '', query: { status: ['failure', 'retry'] } }, { status: ['retry', 'failure'] })).toBe(true)
    expect(isView({ name: '', query: { status: 'failure' } }, { status: ['failure'], q: 'x' })).toBe(false)
  })
})
