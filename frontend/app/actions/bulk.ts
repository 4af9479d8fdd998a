import { api, outcome } from '~/api/client'
import type { Job, JobPlan, TaskStatus } from '~/api/types'
import { SIGNALS, type Action, type Field, type Values } from '~/lib/action'
import { plural } from '~/lib/format'
import { isStatus } from '~/lib/status'
import type { BulkAction, BulkChoice } from '~/lib/wish'
import { t } from '~/texts'

const WORDS: Record<BulkAction, { title: string, verb: string, will: string }> = {
  retry: { title: 'Retry', verb: 'Retry', will: 'will be retried as new tasks with their original arguments. Tasks whose arguments can\'t be recovered exactly will be skipped.' },
  revoke: { title: 'Revoke', verb: 'Revoke', will: 'will be revoked. Queued messages are removed (Redis only); workers discard the rest. Workers remember up to 50,000 revocations for 3 hours. Finished tasks are skipped.' },
  resolve: { title: 'Resolve', verb: 'Resolve', will: 'will be marked resolved. Tasks that haven\'t failed are skipped. Celery isn\'t affected.' },
}
const OPTIONS = 'Options'

const RATE: Field = { key: 'rate', label: 'Max tasks per second', kind: 'number', least: 0.01, most: 10_000, section: OPTIONS, hint: 'default' }
const FIELDS: Record<BulkAction, Field[]> = {
  retry: [RATE, { key: 'queue', label: 'Queue', kind: 'text', section: OPTIONS, hint: 'original queue' }],
  revoke: [RATE, { key: 'signal', label: 'Also terminate running tasks with', kind: 'choice', options: ['', ...SIGNALS], section: OPTIONS }],
  resolve: [RATE],
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
  }
}

function chosen(tasks: readonly { id: string, source: string }[]) {
  const sources = new Set(tasks.map(task => task.source))
  return { ids: tasks.map(task => task.id), ...(sources.size === 1 ? { source: [...sources][0] } : {}) }
}

/** Many tasks at once. What the dry run counted is sent as expected, so that no more are taken than were shown. */
export function actOnMany(action: BulkAction, of: BulkChoice): Action<JobPlan, Job> {
  const words = WORDS[action]
  return {
    title: 'filter' in of ? `${words.title} all matching tasks` : `${words.title} ${plural(of.tasks.length, 'selected task')}`,
    verb: words.verb,
    fields: FIELDS[action],
    grave: action !== 'resolve',
    plan: values => outcome(api.POST('/api/v1/jobs', { params: { query: { dry_run: 'true' } }, body: requestOf(action, of, values) })) as never,
    act: (values, plan) => outcome(api.POST('/api/v1/jobs', { body: { ...requestOf(action, of, values), expected: plan.count } })) as never,
    sayPlan: plan => ({
      lines: [plan.count === 0 ? 'No matching tasks left.' : `${plural(plan.count, 'task')} ${words.will}`, ...(plan.count ? [`Limited to ${plan.rate} per second.`] : [])],
      counts: [
        { label: 'By status', rows: Object.entries(plan.by_status).filter(([, n]) => n > 0).map(([status, n]) => [isStatus(status) ? t.status.label[status as TaskStatus] : status, n]) },
        { label: 'By name', rows: plan.by_name.map(({ name, count }) => [name, count]) },
      ],
      nothing: plan.count === 0,
    }),
    sayDone: job => ({ lines: ['Started. You can close this; it keeps running.'], job }),
  }
}

export function cancelJob(id: string, left: number): Action<number, Job> {
  return {
    title: 'Cancel job',
    verb: 'Cancel job',
    fields: [],
    grave: true,
    plan: async () => ({ data: left }),
    act: () => outcome(api.DELETE('/api/v1/jobs/{id}', { params: { path: { id } } })) as never,
    sayPlan: () => ({ lines: [`${plural(left, 'remaining task')} won't be processed. Tasks already processed aren't affected.`] }),
    sayDone: job => ({ lines: ['Job cancelled.'], job }),
  }
}
