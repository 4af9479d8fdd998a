import { api, outcome } from '~/api/client'
import type { Job, JobPlan, TaskStatus } from '~/api/types'
import { MANY, SIGNALS, type Action, type Field, type Said, type Values } from '~/lib/action'
import { sentenceOf } from '~/lib/format'
import { isStatus } from '~/lib/status'
import type { BulkAction, BulkChoice } from '~/lib/wish'
import { useSelectionStore } from '~/stores/selection'
import { t } from '~/texts'

function fieldsOf(action: BulkAction): Field[] {
  const section = t.actions.options
  const rate: Field = { key: 'rate', label: t.actions.rate, kind: 'number', least: 0.01, most: 10_000, section, hint: t.actions.defaultRate }
  switch (action) {
    case 'retry': return [
      { key: 'again', label: t.actions.again, kind: 'flag', when: (plan, values) => Boolean(values.again) || ((plan as JobPlan | null)?.already_retried ?? 0) > 0 },
      rate,
      { key: 'queue', label: t.actions.queue, kind: 'text', section, hint: t.actions.originalQueue },
    ]
    case 'revoke': return [rate, { key: 'signal', label: t.actions.terminateWith, kind: 'choice', options: ['', ...SIGNALS], section }]
    default: return [rate]
  }
}

function requestOf(action: BulkAction, of: BulkChoice, values: Values) {
  const options = {
    ...(values.signal ? { terminate: true, signal: `SIG${values.signal}` } : {}),
    ...(values.queue?.trim() ? { queue: values.queue.trim() } : {}),
  }
  return {
    action,
    ...('filter' in of ? { filter: of.filter } : chosen(of.tasks)),
    ...(Object.keys(options).length ? { options } : {}),
    ...(values.rate?.trim() ? { rate: Number(values.rate) } : {}),
    ...(values.again ? { again: true } : {}),
  }
}

function chosen(tasks: readonly { id: string, source: string }[]) {
  const sources = new Set(tasks.map(task => task.source))
  return { ids: tasks.map(task => task.id), ...(sources.size === 1 ? { source: [...sources][0] } : {}) }
}

function isEverything(of: BulkChoice): boolean {
  return 'filter' in of && Object.keys(of.filter).length === 0
}

/** What the dry run says: how many will be done, and why the others will not. */
function sayPlan(action: BulkAction, plan: JobPlan): Said {
  const refused = plan.refused.reduce((sum, { count }) => sum + count, 0)
  const will = Math.max(0, plan.count - refused)
  const isAll = plan.checked >= plan.count
  return {
    lines: [
      plan.count === 0
        ? (plan.already_retried ? t.actions.allRetried : t.actions.noneLeft)
        : will === 0 ? t.actions.noneOf(plan.count) : t.actions.bulk[action].some(t.actions.ofTasks(will, plan.count), will === 1),
      ...(plan.count && !isAll ? [t.actions.checkedOnly(plan.checked)] : []),
      ...(will ? [t.actions.limited(String(plan.rate))] : []),
    ],
    warnings: plan.already_retried ? [t.actions.alreadyRetried(plan.already_retried)] : undefined,
    counts: [
      { label: t.actions.skipped, rows: plan.refused.map(({ reason, count }) => [sentenceOf(reason), count]) },
      { label: t.actions.byStatus, rows: Object.entries(plan.by_status).filter(([, n]) => n > 0).map(([status, n]) => [isStatus(status) ? t.status.label[status as TaskStatus] : status, n]) },
      { label: t.actions.byName, rows: plan.by_name.map(({ name, count }) => [name, count]) },
    ],
    nothing: will === 0 && isAll,
  }
}

function titleOf(of: BulkChoice, verb: string): string {
  if ('tasks' in of) return t.actions.selected(verb, of.tasks.length)
  return isEverything(of) ? t.actions.everyTask(verb) : t.actions.allMatching(verb)
}

/** Many tasks at once. What the dry run counted is sent as expected, so that no more are taken than were shown. */
export function actOnMany(action: BulkAction, of: BulkChoice): Action<JobPlan, Job> {
  const { verb } = t.actions.bulk[action]
  const selection = 'tasks' in of ? useSelectionStore() : null
  return {
    title: titleOf(of, verb),
    verb,
    fields: fieldsOf(action),
    grave: action === 'retry' || action === 'revoke',
    danger: action === 'revoke',
    sure: plan => plan.count > MANY || isEverything(of) ? plan.count : null,
    after: () => selection?.clear(),
    plan: values => outcome(api.POST('/api/v1/jobs', { params: { query: { dry_run: 'true' } }, body: requestOf(action, of, values) })) as never,
    act: (values, plan) => outcome(api.POST('/api/v1/jobs', { body: { ...requestOf(action, of, values), expected: plan.count } })) as never,
    sayPlan: plan => sayPlan(action, plan),
    sayDone: job => ({ lines: [t.actions.started], job }),
  }
}

export function cancelJob(id: string, left: number): Action<number, Job> {
  return {
    title: t.actions.stopJob,
    verb: t.actions.stopJob,
    fields: [],
    grave: true,
    danger: true,
    plan: async () => ({ data: left }),
    act: () => outcome(api.DELETE('/api/v1/jobs/{id}', { params: { path: { id } } })) as never,
    sayPlan: () => ({ lines: [t.actions.stopJobWill(left)] }),
    sayDone: job => ({ lines: [t.actions.jobStopped], job }),
  }
}
