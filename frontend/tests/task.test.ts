import { describe, expect, it } from 'vitest'
import { outcomeColumns, stack } from '~/lib/series'
import { pythonString, shapeOf, summary } from '~/lib/python'
import { sparkPath } from '~/lib/sparkline'
import { callText, runtimeOf, statusFrom } from '~/lib/taskText'
import { spansOf, stepsOf, tellerOf } from '~/lib/timeline'
import { traceLines } from '~/lib/traceback'
import { at, event, task, timeseries } from './fixtures'

const NOW = Date.parse(at(100))

describe('timeline', () => {
  const events = [event('task-sent', 0), event('task-received', 1), event('task-started', 3), event('progress-50', 4), event('task-succeeded', 6)]

  it('says how long after the step before', () => {
    expect(stepsOf(events).map(step => [step.label, step.since])).toEqual([['Sent', null], ['Received', 1], ['Started', 2], ['progress-50', 1], ['Succeeded', 2]])
  })

  it('says who told what no event did', () => {
    expect(tellerOf({ origin: 'events', worker_id: 'w@h', pid: 7 })).toBe('w@h, pid 7')
    expect(tellerOf({ origin: 'backend', worker_id: null, pid: null })).toBe('from the result backend')
    expect(tellerOf({ origin: 'worker', worker_id: 'w@h', pid: null })).toBe('w@h, when it was asked')
    expect(statusFrom({ status: 'success', status_from: 'backend' })).toContain('result backend')
    expect(statusFrom({ status: 'orphaned', status_from: 'worker' })).toContain('nobody knows')
  })

  it('ends the bar of an orphaned task', () => {
    expect(spansOf(task(), [event('task-started', 0), event('task-orphaned', 9)], NOW).at(-1)).toMatchObject({ kind: 'running', open: false })
  })

  it('draws what lies between, and leaves custom events out of it', () => {
    expect(spansOf(task({ completed_at: at(6) }), events, NOW).map(span => [span.kind, (span.to - span.from) / 1000, span.open]))
      .toEqual([['queued', 1, false], ['waiting', 2, false], ['running', 3, false]])
  })

  it('lets a running task run until now', () => {
    expect(spansOf(task(), events.slice(0, 3), NOW).at(-1)).toMatchObject({ kind: 'running', to: NOW, open: true })
  })

  it('draws each retry', () => {
    const kinds = spansOf(task({ completed_at: at(9) }), [event('task-started', 0), event('task-retried', 1), event('task-started', 5), event('task-failed', 9)], NOW).map(span => span.kind)
    expect(kinds).toEqual(['running', 'retrying', 'running'])
  })
})

describe('a task in words', () => {
  it.each([
    ['(1042, \'EUR\')', '{\'amount\': 19.9}', '(1042, \'EUR\') {\'amount\': 19.9}'],
    ['()', '{\'a\': 1}', '**{\'a\': 1}'],
    ['(1,)', '{}', '(1,)'],
    ['()', '{}', '()'],
    [null, null, 'a'],
  ])('calls %s %s', (args_repr, kwargs_repr, text) => {
    expect(callText(task({ args_repr, kwargs_repr }))).toBe(text)
  })

  it('takes the runtime from the worker, else from the events, else from the clock', () => {
    expect(runtimeOf(task({ runtime: 0.5 }), NOW)).toMatchObject({ seconds: 0.5, open: false })
    expect(runtimeOf(task({ status: 'failure', started_at: at(1), completed_at: at(3) }), NOW)).toMatchObject({ seconds: 2, open: false })
    expect(runtimeOf(task({ status: 'started', started_at: at(90) }), NOW)).toMatchObject({ seconds: 10, open: true })
    expect(runtimeOf(task({ status: 'received' }), NOW).seconds).toBeNull()
  })

  it.each([['it\'s', '"it\'s"'], ['say "hi"', '\'say "hi"\''], ['a\nb\t\\', '\'a\\nb\\t\\\\\''], ['\u0001', '\'\\x01\''], ['返品 😀', '\'返品 😀\''], ['both \' and "', '\'both \\\' and "\'']])('writes %j as Python does', (text, python) => {
    expect(pythonString(text)).toBe(python)
  })

  it('says what is inside', () => {
    expect([summary([]), summary([1]), summary({ a: 1, b: 2 }), summary({}), summary(null)]).toEqual(['[]', '[1 item]', '{2 keys}', '{}', 'None'])
    expect([shapeOf(null), shapeOf([]), shapeOf({})]).toEqual(['scalar', 'list', 'dict'])
  })

  it('tells own code from packages in a traceback', () => {
    const lines = traceLines('Traceback (most recent call last):\n  File "/venv/site-packages/celery/trace.py", line 1\n    run()\n  File "/app/tasks.py", line 2\n    boom()\nValueError: no\n')
    expect(lines.map(line => [line.kind, line.library])).toEqual([['note', false], ['frame', true], ['code', true], ['frame', false], ['code', false], ['error', false]])
  })
})

describe('charts', () => {
  it('shows silence as silence', () => {
    const columns = outcomeColumns(timeseries([[60, { success: 3, failure: 1 }], [9999, { success: 9 }]], 240))
    expect(columns.at).toHaveLength(4)
    expect(columns.counts.success).toEqual([0, 3, 0, 0])
    expect(columns.total).toBe(4)
  })

  it('stacks', () => {
    expect(stack([[1, 2], [0, 5], [2, 0]])).toEqual([[1, 2], [1, 7], [3, 7]])
  })

  it('draws sparklines from the right edge, with gaps where nothing is known', () => {
    expect(sparkPath([1], 3, 20, 10)).toBe('')
    expect(sparkPath([0, 2], 3, 20, 10)).toBe('M10.0 9.0L20.0 1.0')
    expect(sparkPath([1, null, 1], 3, 20, 10)).toBe('M0.0 1.0M20.0 1.0')
  })
})
