import { describe, expect, it } from 'vitest'
import { outcomeColumns, stack } from '~/lib/charts/series'
import { pythonString, shapeOf, summary } from '~/lib/python'
import { sparkPath } from '~/lib/charts/sparkline'
import { callText, runtimeOf, statusFrom } from '~/lib/tasks/taskText'
import { attemptsOf } from '~/lib/tasks/attempts'
import { markdownOf } from '~/lib/tasks/markdown'
import { middleParts } from '~/lib/middle'
import { standingOf } from '~/lib/tasks/standing'
import { stepsOf, tellerOf } from '~/lib/tasks/timeline'
import { extentOf, traceOf } from '~/lib/tasks/trace'
import { foldLibraries, partsOfTrace, splitFile } from '~/lib/tasks/traceback'
import { at, event, task, timeseries } from './fixtures'

const NOW = Date.parse(at(100))

describe('timeline', () => {
  const events = [event('task-sent', 0), event('task-received', 1), event('task-started', 3), event('progress-50', 4), event('task-succeeded', 6)]

  it('says how long after the step before', () => {
    expect(stepsOf(events).map(step => [step.label, step.since])).toEqual([['Sent', null], ['Received', 1], ['Started', 2], ['progress-50', 1], ['Succeeded', 2]])
  })

  it('says who told what no event did', () => {
    expect(tellerOf({ origin: 'events', worker_id: 'w@h', pid: 7 })).toBe('w@h, PID 7')
    expect(tellerOf({ origin: 'backend', worker_id: null, pid: null })).toBe('from the result backend')
    expect(tellerOf({ origin: 'worker', worker_id: 'w@h', pid: null })).toBe('reported by w@h on request')
    expect(statusFrom({ status: 'success', status_from: 'backend' })).toContain('result backend')
    expect(statusFrom({ status: 'orphaned', status_from: 'worker' })).toContain('outcome unknown')
  })

  it('ends the bar of an orphaned task', () => {
    expect(attemptsOf(task({ status: 'orphaned' }), [event('task-started', 0), event('task-orphaned', 9)], NOW)[0]!.spans.at(-1)).toMatchObject({ kind: 'running', open: false })
  })

  it('draws what lies between, and leaves custom events out of it', () => {
    const [only, ...others] = attemptsOf(task({ status: 'success' }), events, NOW)
    expect(only!.spans.map(span => [span.kind, (span.to - span.from) / 1000, span.open])).toEqual([['queued', 1, false], ['prefetched', 2, false], ['running', 3, false]])
    expect(others).toEqual([])
  })

  it('lets a running task run until now', () => {
    expect(attemptsOf(task({ status: 'started' }), events.slice(0, 3), NOW)[0]!.spans.at(-1)).toMatchObject({ kind: 'running', to: NOW, open: true })
  })

  it('tells tries apart though the next one is sent before this one is over', () => {
    const fields = (retries: number) => ({ fields: { retries } })
    const attempts = attemptsOf(task({ status: 'failure' }), [
      event('task-sent', 0, fields(0)), event('task-received', 1, fields(0)), event('task-started', 2),
      event('task-sent', 3, fields(1)), event('task-received', 4, fields(1)), event('task-retried', 5), event('task-started', 8), event('task-failed', 9),
    ], NOW)
    expect(attempts.map(attempt => [attempt.status, attempt.spans.map(span => [span.kind, (span.to - span.from) / 1000])])).toEqual([
      ['retry', [['queued', 1], ['prefetched', 1], ['running', 3]]],
      ['failure', [['queued', 1], ['prefetched', 4], ['running', 1]]],
    ])
  })

  const stretches = (...args: Parameters<typeof attemptsOf>) => attemptsOf(...args).flatMap(attempt => attempt.spans.map(span => [span.kind, (span.to - span.from) / 1000, span.open]))

  it('keeps the order of a life though two clocks stamp it the other way round', () => {
    const crossed = [event('task-received', 0), event('task-sent', 0.002), event('task-started', 0.2), event('task-succeeded', 1)]
    expect(stretches(task({ status: 'success' }), crossed, NOW)).toEqual([['queued', 0, false], ['prefetched', 0.198, false], ['running', 0.8, false]])
    expect(stepsOf(crossed).map(step => [step.label, step.since])).toEqual([['Sent', null], ['Received', 0], ['Started', 0.198], ['Succeeded', 0.8]])
  })

  it('does not move a retry\'s message before the attempt that sent it', () => {
    const retried = [event('task-received', 0, { fields: { retries: 0 } }), event('task-started', 0.1), event('task-sent', 0.2, { fields: { retries: 1 } }), event('task-received', 0.3, { fields: { retries: 1 } }), event('task-retried', 0.4), event('task-started', 0.5)]
    expect(stepsOf(retried).map(step => step.event.type)).toEqual(retried.map(one => one.type))
  })

  it('tells what waits for its ETA from what waits for a free slot', () => {
    const eta = { fields: { retries: 0, eta: at(11) } }
    expect(stretches(task({ status: 'success' }), [event('task-sent', 0, eta), event('task-received', 1, eta), event('task-started', 13), event('task-succeeded', 14)], NOW))
      .toEqual([['queued', 1, false], ['scheduled', 10, false], ['prefetched', 2, false], ['running', 1, false]])
    const late = { fields: { retries: 0, eta: at(500) } }
    expect(stretches(task({ status: 'received' }), [event('task-received', 1, late)], NOW)).toEqual([['scheduled', 99, true]])
    expect(stretches(task({ status: 'started' }), [event('task-received', 12, eta), event('task-started', 13)], NOW)).toEqual([['prefetched', 1, false], ['running', 87, true]])
  })

  it('ends with the last sign of a worker that is offline', () => {
    expect(stretches(task({ status: 'started' }), events.slice(0, 3), NOW, Date.parse(at(20))).at(-1)).toEqual(['running', 17, false])
  })

  it('is not led astray by a number of retries that cannot be', () => {
    const wild = attemptsOf(task({ status: 'success' }), [event('task-received', 0, { fields: { retries: 1e9 } }), event('task-started', 1), event('task-succeeded', 2)], NOW)
    expect(wild).toHaveLength(1)
  })
})

describe('a workflow', () => {
  const member = (id: string, parent_id: string | null, seconds: number, ended: number | null = null) =>
    task({ id, parent_id, root_id: 'root', sent_at: at(seconds), received_at: at(seconds), completed_at: ended === null ? null : at(ended) })

  it('stands as a tree, children below their parents in the order in which they were sent', () => {
    const rows = traceOf([member('b', 'root', 3), member('c', 'b', 5), member('root', null, 0), member('a', 'root', 2)])
    expect(rows.map(row => [row.task.id, row.depth])).toEqual([['root', 0], ['a', 1], ['b', 1], ['c', 2]])
  })

  it('shows each task once, also when they claim to be each other\'s parents', () => {
    expect(traceOf([member('a', 'b', 0), member('b', 'a', 1), member('lost', 'gone', 2)]).map(row => row.task.id).sort()).toEqual(['a', 'b', 'lost'])
  })

  it('reaches to now while something runs', () => {
    expect(extentOf(traceOf([member('root', null, 0, 4)]), NOW)).toEqual({ from: Date.parse(at(0)), to: Date.parse(at(4)) })
    expect(extentOf(traceOf([member('root', null, 0)]), NOW).to).toBe(NOW)
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

  it('tells own code from packages in a traceback, and folds the latter', () => {
    const parts = partsOfTrace('Traceback (most recent call last):\n  File "/venv/site-packages/celery/trace.py", line 1, in trace\n    run()\n  File "/venv/site-packages/celery/task.py", line 7, in run\n    go()\n  File "/app/tasks.py", line 2, in boom\n    boom()\n    ^^^^^^\nValueError: no\n')
    expect(parts.map(part => part.kind === 'frame' ? [part.file, part.line, part.name, part.library] : part.kind)).toEqual([
      'note', ['/venv/site-packages/celery/trace.py', '1', 'trace', true], ['/venv/site-packages/celery/task.py', '7', 'run', true], ['/app/tasks.py', '2', 'boom', false], 'error',
    ])
    expect(foldLibraries(parts).map(part => part.kind)).toEqual(['note', 'folded', 'frame', 'error'])
    expect(splitFile('/app/tasks.py')).toEqual(['/app/', 'tasks.py'])
  })

  it('keeps text that is no traceback as it is', () => {
    expect(partsOfTrace('<script>alert(1)</script>')).toEqual([{ kind: 'error', text: '<script>alert(1)</script>' }])
  })
})

describe('how a task stands', () => {
  const offline = { status: 'offline', last_seen: at(20), started_at: at(-60) }
  const online = { ...offline, status: 'online' }
  const started = task({ status: 'started', started_at: at(10), worker_id: 'w' })

  it('stops the clock of a task whose worker is offline, and says so', () => {
    const standing = standingOf(started, offline, NOW, true)
    expect(standing).toMatchObject({ word: 'Worker offline', frozenAt: Date.parse(at(20)) })
    expect(standing.note).toBe('Worker offline since 10:00:20; this task is probably lost (redelivered only with acks_late).')
    expect(runtimeOf(started, NOW, offline, standing.frozenAt)).toMatchObject({ seconds: 10, open: false })
    expect(standingOf(started, online, NOW)).toMatchObject({ word: 'Running', frozenAt: null })
  })

  it('claims nothing of a worker about which nothing is known', () => {
    expect(standingOf(started, { ...offline, status: 'unknown' }, NOW, true)).toMatchObject({ word: 'Unknown', note: 'Worker status unknown; last heard from at 10:00:20.', frozenAt: Date.parse(at(20)) })
    expect(standingOf(started, undefined, NOW)).toMatchObject({ word: 'Running', frozenAt: null })
  })

  it.each([
    [{ expired: true }, 'Expired', 'Expired before it started.'],
    [{ terminated: true, started_at: at(1), revoked_signum: 'SIGKILL' }, 'Terminated', 'Terminated while running (SIGKILL).'],
    [{ started_at: at(1) }, 'Revoked', 'Revoked after it had started.'],
    [{ started_at: at(1), retried_at: at(2) }, 'Revoked', 'Revoked while waiting for its next attempt.'],
    [{}, 'Revoked', 'Revoked before it started.'],
  ])('tells ways of being revoked apart: %j', (part, word, note) => {
    expect(standingOf(task({ status: 'revoked', ...part }), undefined, NOW)).toMatchObject({ word, note })
  })

  it('tells a task that waits for its time from one that waits for a slot', () => {
    expect(standingOf(task({ status: 'received', eta: at(500) }), online, NOW, true)).toMatchObject({ word: 'Scheduled', note: 'Starts at 10:08:20 at the earliest.' })
    expect(standingOf(task({ status: 'received', eta: at(50) }), online, NOW)).toMatchObject({ word: 'Received' })
    expect(standingOf(task({ status: 'retry', eta: at(500) }), online, NOW, true)).toMatchObject({ word: 'Retrying', note: 'Next attempt at 10:08:20 at the earliest.' })
  })

  it('does not count the time after its process was dead, whoever told its end', () => {
    const settled = task({ status: 'revoked', status_from: 'backend', started_at: at(10), completed_at: at(95) })
    expect(runtimeOf(settled, NOW, offline)).toMatchObject({ seconds: 10 })
    expect(runtimeOf(settled, NOW, { ...online, started_at: at(30) }).seconds).toBeNull()
    expect(runtimeOf(settled, NOW, online)).toMatchObject({ seconds: 85 })
  })
})

it('is Markdown that no text of others can break out of', () => {
  const failed = task({ name: 'a*b', status: 'failure', error: 'x', traceback: 'Traceback\n```\n# not a heading\nValueError: x', args_repr: '(1,)' })
  const text = markdownOf(failed, standingOf(failed, undefined, NOW), 1.5, stepsOf([event('task-failed', 3)]), 'http://kanchi/tasks/a')
  expect(text).toContain('## a\\*b')
  expect(text).toContain('- Status: Failed')
  expect(text).toContain('````python\nTraceback\n```')
  expect(text).toContain('2026-11-23 10:00:03.000 UTC Failed (celery@a)')
})

it('keeps the end of a long name', () => {
  const name = 'company.department.subdivision.module_000.charge_customer'
  expect(middleParts(name)).toEqual([name.slice(0, -16), '.charge_customer'])
  expect(middleParts('shop.tasks.charge')).toEqual(['shop.tasks.charge', ''])
  expect(middleParts('\u05D0'.repeat(40))[1]).toBe('')
  expect(middleParts(`${'a'.repeat(20)}${'😀'.repeat(10)}`).join('')).toHaveLength(40)
})

describe('charts', () => {
  it('shows silence as silence', () => {
    const columns = outcomeColumns(timeseries([[60, { success: 3, failure: 1 }], [9999, { success: 9 }]], 240))
    expect(columns.at).toHaveLength(4)
    expect(columns.counts.success).toEqual([0, 3, 0, 0])
    expect(columns).toMatchObject({ total: 4, unfinished: -1 })
    expect(outcomeColumns(timeseries([], 240), [], Date.parse(at(200))).unfinished).toBe(3)
  })

  it('has no column for a time of which nothing is known, unless something was counted in it', () => {
    const from = Date.parse(at(0)) / 1000
    const columns = outcomeColumns(timeseries([[0, {}], [60, { success: 3 }], [120, {}]], 240), [{ from: -Infinity, to: from + 190 }])
    expect(columns.counts.success).toEqual([null, 3, null, 0])
    expect(columns.counts.failure).toEqual([null, 0, null, 0])
    expect(stack([columns.counts.success!, columns.counts.failure!])[1]).toEqual([null, 3, null, 0])
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
