import type { Task } from '~/api/types'
import { formatSeconds, formatUtc } from '../format'
import type { Standing } from './standing'
import type { Step } from './timeline'
import { t } from '~/texts'

/** A task as Markdown, for a ticket or a report of an incident. Pure. */

const LONG = 20_000

/** A fence that is longer than any in the text. */
export function fenced(text: string, language = ''): string {
  const longest = Math.max(2, ...(text.match(/`+/g) ?? []).map(run => run.length))
  const fence = '`'.repeat(longest + 1)
  return `${fence}${language}\n${text.length > LONG ? `${text.slice(0, LONG)}…` : text}\n${fence}`
}

/** Text of others within a line. */
export function inline(text: string): string {
  return text.replace(/\s+/g, ' ').replace(/[\\`*_{}[\]<>#|]/g, '\\$&')
}

export function markdownOf(task: Task, standing: Standing, runtime: number | null, steps: readonly Step[], url: string): string {
  const facts = t.task.facts
  const rows: [string, string | null][] = [
    ['ID', `\`${task.id.replaceAll('`', '')}\``], [t.tasks.columns.status, [standing.word, standing.note].filter(Boolean).join('. ')],
    [facts.worker, task.worker_id], [facts.queue, task.queue], [facts.queueTime, task.queue_wait === null ? null : formatSeconds(task.queue_wait)],
    [facts.runtime, runtime === null ? null : formatSeconds(runtime)], [facts.retries, task.retries === null ? null : String(task.retries)],
    [facts.eta, task.eta && formatUtc(task.eta)], [facts.source, task.source],
  ]
  const parts = [
    `## ${inline(task.name ?? t.task.unnamed)}`,
    rows.filter(([, text]) => text).map(([label, text]) => `- ${label}: ${text!.startsWith('`') ? text : inline(text!)}`).join('\n'),
    url,
  ]
  if (task.error || task.traceback) parts.push(`### ${t.task.exception}`, fenced(task.traceback || task.error!, task.traceback ? 'python' : ''))
  const values = [[t.task.args, task.args_repr], [t.task.kwargs, task.kwargs_repr], [t.task.result, task.result_repr]] as const
  for (const [label, text] of values) if (text && text !== '{}') parts.push(`### ${label}`, fenced(text, 'python'))
  if (steps.length) parts.push(`### ${t.task.timeline}`, steps.map(step => `- ${formatUtc(new Date(step.at).toISOString())} ${inline(step.label)}${step.event.worker_id ? ` (${inline(step.event.worker_id)})` : ''}`).join('\n'))
  return `${parts.join('\n\n')}\n`
}
