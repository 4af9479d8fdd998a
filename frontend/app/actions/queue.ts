import { api, outcome } from '~/api/client'
import type { Queue, QueueChanged } from '~/api/types'
import { MANY, type Action, type Said } from '~/lib/action'
import { sentenceOf } from '~/lib/format'
import { t } from '~/texts'

type QueueAction = Action<QueueChanged, QueueChanged>

const pathOf = (queue: Queue) => ({ name: queue.name })
const dry = (dryRun: boolean) => dryRun ? { dry_run: 'true' as const } : {}

function sayWho(changed: QueueChanged): Pick<Said, 'replies' | 'warnings'> {
  return {
    replies: {
      replies: [
        ...changed.confirmed.map(worker => ({ worker, ok: true, value: t.actions.said.confirmed, error: null })),
        ...changed.refused.map(worker => ({ worker, ok: false, value: null, error: t.actions.said.refused })),
      ],
      missing: changed.missing,
      note: changed.note,
    },
    warnings: changed.complete ? [] : [t.actions.said.partly],
  }
}

/** As many as wait now, at most: what arrives until the viewer says yes, or a worker takes, is no hindrance. */
const ALL = 1_000_000_000

export function purgeQueue(queue: Queue): QueueAction {
  const purge = (max: number, dryRun: boolean) => outcome(api.DELETE('/api/v1/queues/{name}/messages', { params: { path: pathOf(queue), query: { source: queue.source, max, ...dry(dryRun) } } }))
  return {
    title: t.actions.purge(queue.name),
    verb: t.actions.purgeVerb,
    danger: true,
    sure: plan => plan.waiting > MANY ? plan.waiting : null,
    fields: [],
    grave: true,
    plan: () => purge(ALL, true),
    act: (_values, plan) => purge(plan.waiting, false),
    sayPlan: plan => ({
      lines: [plan.waiting === 0 ? t.messages.empty : t.actions.purgeWill(plan.waiting), ...(plan.note ? [sentenceOf(plan.note)] : [])],
      nothing: plan.waiting === 0,
    }),
    sayDone: done => ({ lines: [t.actions.purged(done.affected), ...(done.note ? [sentenceOf(done.note)] : [])], warnings: done.complete ? [] : [t.actions.notAll] }),
  }
}

export function removeMessage(queue: Queue, id: string, name: string | null): QueueAction {
  const remove = (dryRun: boolean) => outcome(api.DELETE('/api/v1/queues/{name}/messages', { params: { path: pathOf(queue), query: { source: queue.source, id, ...dry(dryRun) } } }))
  return {
    title: t.messages.removeOne(name ?? id),
    verb: t.messages.remove,
    danger: true,
    fields: [],
    grave: true,
    plan: () => remove(true),
    act: () => remove(false),
    sayPlan: () => ({ lines: [t.messages.removeWill(id)] }),
    sayDone: done => ({ lines: [t.messages.removed, ...(done.note ? [sentenceOf(done.note)] : [])] }),
  }
}

export function moveMessages(queue: Queue, others: readonly string[]): QueueAction {
  const move = (values: Readonly<Record<string, string>>, dryRun: boolean, expected?: number) => outcome(api.POST('/api/v1/queues/{name}/move', {
    params: { path: pathOf(queue), query: dry(dryRun) },
    body: { source: queue.source, to: values.to!.trim(), ...(values.max?.trim() ? { max: Number(values.max) } : {}), ...(expected === undefined ? {} : { expected }) },
  }))
  return {
    title: t.actions.title.move(queue.name),
    verb: t.actions.offer.moveMessages,
    sure: plan => plan.affected > MANY ? plan.affected : null,
    fields: [
      { key: 'to', label: t.actions.field.destination, kind: 'text', required: true, suggestions: others },
      { key: 'max', label: t.actions.field.maxMessages, kind: 'number', least: 1, hint: t.actions.hint.all },
    ],
    grave: false,
    plan: values => move(values, true),
    act: (values, plan) => move(values, false, plan.waiting),
    sayPlan: (plan, values) => ({
      lines: [plan.affected === 0 ? t.messages.empty : t.actions.queueWill.move(plan.affected, plan.waiting, values.to!.trim()), ...(plan.note ? [sentenceOf(plan.note)] : [])],
      nothing: plan.affected === 0,
    }),
    sayDone: done => ({
      lines: [t.actions.said.moved(done.affected), ...(done.note ? [sentenceOf(done.note)] : [])],
      warnings: done.complete ? [] : [t.actions.said.notAllMoved],
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
    title: pause ? t.actions.title.pause(queue.name) : t.actions.title.resume(queue.name),
    verb: pause ? t.actions.offer.pause : t.actions.offer.resume,
    fields: [],
    grave: false,
    plan: () => send(true),
    act: () => send(false),
    sayPlan: plan => ({
      lines: [
        pause ? t.actions.queueWill.pause : t.actions.queueWill.resume,
        names(plan) ? t.actions.queueWill.affects(names(plan)) : t.actions.queueWill.affectsNone,
        ...(plan.note ? [sentenceOf(plan.note)] : []),
      ],
    }),
    sayDone: done => ({ lines: [pause ? t.actions.said.paused : t.actions.said.resumed], ...sayWho(done) }),
  }
}
