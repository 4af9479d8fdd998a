import { api, outcome } from '~/api/client'
import type { Job, JobPlan, TaskStatus } from '~/api/types'
import { SIGNALS, type Action, type Field, type Values } from '~/lib/action'
import { plural } from '~/lib/format'
import { isStatus, STATUS_LABEL } from '~/lib/status'
import type { BulkAction, BulkChoice } from '~/lib/wish'

const WORDS: Record<BulkAction, { title: string, verb: string, will: string }> = {
  retry: { title: 'Retry', verb: 'Retry', will: 'are sent again, each as a new task, with the arguments of its first call. Those whose arguments are not certain are refused, one by one.' },
  revoke: { title: 'Revoke', verb: 'Revoke', will: 'are revoked: workers throw them away, and what waits in a Redis is taken out of its queue. Workers remember 50,000 revoked tasks for three hours. What has ended is refused.' },
  resolve: { title: 'Mark as resolved', verb: 'Mark', will: 'are marked as resolved. What has not failed is refused. Nothing is sent to Celery.' },
}
const OPTIONS = 'Options'

const RATE: Field = { key: 'rate', label: 'Tasks a second, at most', kind: 'number', least: 0.01, most: 10_000, section: OPTIONS, hint: 'as configured' }
const FIELDS: Record<BulkAction, Field[]> = {
  retry: [RATE, { key: 'queue', label: 'Queue', kind: 'text', section: OPTIONS, hint: 'that of each first call' }],
  revoke: [RATE, { key: 'signal', label: 'Also end those that run, with', kind: 'choice', options: ['', ...SIGNALS], section: OPTIONS }],
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
    title: 'filter' in of ? `${words.title}: all that match` : `${words.title}: ${plural(of.tasks.length, 'task')} selected`,
    verb: words.verb,
    fields: FIELDS[action],
    grave: action !== 'resolve',
    plan: values => outcome(api.POST('/api/v1/jobs', { params: { query: { dry_run: 'true' } }, body: requestOf(action, of, values) })) as never,
    act: (values, plan) => outcome(api.POST('/api/v1/jobs', { body: { ...requestOf(action, of, values), expected: plan.count } })) as never,
    sayPlan: plan => ({
      lines: [plan.count === 0 ? 'No task is in it any more.' : `${plural(plan.count, 'task')} ${words.will}`, ...(plan.count ? [`At most ${plan.rate} a second.`] : [])],
      counts: [
        { label: 'By status', rows: Object.entries(plan.by_status).filter(([, n]) => n > 0).map(([status, n]) => [isStatus(status) ? STATUS_LABEL[status as TaskStatus] : status, n]) },
        { label: 'By name', rows: plan.by_name.map(({ name, count }) => [name, count]) },
      ],
      nothing: plan.count === 0,
    }),
    sayDone: job => ({ lines: ['It has begun, and goes on when this is closed.'], job }),
  }
}

export function cancelJob(id: string, left: number): Action<number, Job> {
  return {
    title: 'Cancel the job',
    verb: 'Begin no more',
    fields: [],
    grave: true,
    plan: async () => ({ data: left }),
    act: () => outcome(api.DELETE('/api/v1/jobs/{id}', { params: { path: { id } } })) as never,
    sayPlan: () => ({ lines: [`${plural(left, 'task')} that wait are not begun. Those that were begun go on.`] }),
    sayDone: job => ({ lines: ['Nothing more is begun.'], job }),
  }
}
