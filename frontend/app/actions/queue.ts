import { api, outcome } from '~/api/client'
import type { Queue, QueueChanged } from '~/api/types'
import type { Action, Said } from '~/lib/action'
import { plural } from '~/lib/format'

type QueueAction = Action<QueueChanged, QueueChanged>

const pathOf = (queue: Queue) => ({ name: queue.name })
const dry = (dryRun: boolean) => dryRun ? { dry_run: 'true' as const } : {}

function sayWho(changed: QueueChanged): Pick<Said, 'replies' | 'warnings'> {
  return {
    replies: {
      replies: [
        ...changed.confirmed.map(worker => ({ worker, ok: true, value: 'confirmed', error: null })),
        ...changed.refused.map(worker => ({ worker, ok: false, value: null, error: 'it said no' })),
      ],
      missing: changed.missing,
      note: changed.note,
    },
    warnings: changed.complete ? [] : ['Not all of it was done: see below, or ask again to go on.'],
  }
}

/** The dry run needs an expected count, and answers how many wait: so the latest measurement is asked with, and its answer is what counts. */
export function purgeQueue(queue: Queue): QueueAction {
  const purge = (expected: number, dryRun: boolean) => outcome(api.DELETE('/api/v1/queues/{name}/messages', { params: { path: pathOf(queue), query: { source: queue.source, expected, ...dry(dryRun) } } }))
  return {
    title: `Purge ${queue.name}`,
    verb: 'Remove them',
    fields: [],
    grave: true,
    plan: async () => {
      const waiting = await outcome(api.GET('/api/v1/queues/{name}', { params: { path: pathOf(queue), query: { source: queue.source } } }))
      return waiting && 'data' in waiting ? purge(waiting.data.depth ?? 0, true) : waiting
    },
    act: (_values, plan) => purge(plan.waiting, false),
    sayPlan: plan => ({
      lines: [plan.waiting === 0 ? 'Nothing waits in it.' : `${plural(plan.waiting, 'message that waits is', 'messages that wait are')} removed. Tasks that a worker has already go on.`, ...(plan.note ? [plan.note] : [])],
      nothing: plan.waiting === 0,
    }),
    sayDone: done => ({ lines: [`${plural(done.affected, 'message was', 'messages were')} removed.`, ...(done.note ? [done.note] : [])] }),
  }
}

export function moveMessages(queue: Queue, others: readonly string[]): QueueAction {
  const move = (values: Readonly<Record<string, string>>, dryRun: boolean, expected?: number) => outcome(api.POST('/api/v1/queues/{name}/move', {
    params: { path: pathOf(queue), query: dry(dryRun) },
    body: { source: queue.source, to: values.to!.trim(), ...(values.max?.trim() ? { max: Number(values.max) } : {}), ...(expected === undefined ? {} : { expected }) },
  }))
  return {
    title: `Move messages of ${queue.name}`,
    verb: 'Move them',
    fields: [
      { key: 'to', label: 'To the queue', kind: 'text', required: true, suggestions: others },
      { key: 'max', label: 'Messages at most', kind: 'number', least: 1, hint: 'all that wait' },
    ],
    grave: false,
    plan: values => move(values, true),
    act: (values, plan) => move(values, false, plan.waiting),
    sayPlan: (plan, values) => ({
      lines: [plan.affected === 0 ? 'Nothing waits in it.' : `${plural(plan.affected, 'message')} of ${plan.waiting} that wait ${plan.affected === 1 ? 'goes' : 'go'} to ${values.to!.trim()}, in order, with their priorities.`, ...(plan.note ? [plan.note] : [])],
      nothing: plan.affected === 0,
    }),
    sayDone: done => ({
      lines: [`${plural(done.affected, 'message was', 'messages were')} moved.`, ...(done.note ? [done.note] : [])],
      warnings: done.complete ? [] : ['There was no time for all: ask again to go on.'],
    }),
  }
}

export function pauseQueue(queue: Queue, pause: boolean): QueueAction {
  const send = (dryRun: boolean) => {
    const request = { params: { path: pathOf(queue), query: dry(dryRun) }, body: { source: queue.source } }
    return outcome(pause ? api.POST('/api/v1/queues/{name}/pause', request) : api.POST('/api/v1/queues/{name}/resume', request))
  }
  const names = (plan: QueueChanged) => [...plan.confirmed, ...plan.missing].join(', ')
  return {
    title: `${pause ? 'Pause' : 'Resume'} ${queue.name}`,
    verb: pause ? 'Pause it' : 'Resume it',
    fields: [],
    grave: false,
    plan: () => send(true),
    act: () => send(false),
    sayPlan: plan => ({
      lines: [
        pause
          ? `Workers that consume it stop doing so, until it is resumed; also those that are started meanwhile. Tasks that they have already go on.`
          : 'The workers that consumed it before do so again.',
        names(plan) ? `Now: ${names(plan)}.` : 'No worker that is online is concerned now.',
        ...(plan.note ? [plan.note] : []),
      ],
    }),
    sayDone: done => ({ lines: [pause ? 'It is paused.' : 'It is resumed.'], ...sayWho(done) }),
  }
}
