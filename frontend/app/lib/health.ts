import type { DoctorReport, Finding, System } from '~/api/types'
import { sentenceOf } from './format'
import { t } from '~/texts'

export type Severity = 'error' | 'warning' | 'info'

/** What to do: in words, or a line to paste. */
export interface Remedy {
  text: string | null
  code: string | null
}

/** A setting or a command, and nothing else. */
const CODE = /^([a-z_][\w.]*(\[\S+\])? ?= ?\S.*|(celery|kanchi|redis-cli|rabbitmqctl|rabbitmq-\w+|systemctl|docker|kubectl) .*)[^.]$/s

export function remedyOf(text: string | null | undefined): Remedy | null {
  if (!text) return null
  return CODE.test(text) ? { text: null, code: text } : { text, code: null }
}

/** One thing that the doctor says. */
export interface Concern {
  severity: Severity
  key: string
  text: string
  remedy: Remedy | null
}

const ORDER: Record<Severity, number> = { error: 0, warning: 1, info: 2 }

/** The doctor's findings, the worst first. */
export function concernsOfReport(report: DoctorReport): Concern[] {
  return concernsOf(report.findings).sort((a, b) => ORDER[a.severity] - ORDER[b.severity])
}

function concernsOf(findings: readonly Finding[]): Concern[] {
  return findings.map((finding, i) => ({
    severity: finding.severity,
    key: `finding:${finding.code}:${finding.source ?? ''}:${finding.subject ?? i}`,
    text: sentenceOf(finding.text),
    remedy: remedyOf(finding.remedy),
  }))
}

/** Why there is nothing to see, and what to do about it. */
export interface EmptyReason {
  title: string
  text: string
  lines: string[]
}

export function emptyReason(system: System | null, workersOnline: number): EmptyReason {
  const sources = Object.entries(system?.ingestion ?? {})
  const away = sources.find(([, source]) => source.state !== 'connected')
  if (away && sources.every(([, source]) => source.state !== 'connected')) {
    return {
      title: t.health.empty.broker,
      text: t.health.empty.brokerText(away[1].broker ?? away[0], away[1].error),
      lines: ['kanchi up --broker redis://localhost:6379/0'],
    }
  }
  const unreadable = system?.findings.find(finding => finding.code === 'events_unreadable')
  if (unreadable) {
    return {
      title: t.health.empty.unreadable,
      text: t.health.empty.unreadableText(sentenceOf(unreadable.text)),
      lines: ['event_serializer = "json"'],
    }
  }
  if (workersOnline === 0) {
    return {
      title: t.health.empty.noWorkers,
      text: t.health.empty.noWorkersText,
      lines: ['celery -A your_app worker --task-events'],
    }
  }
  return {
    title: t.health.empty.noTasks,
    text: t.health.empty.noTasksText,
    lines: ['worker_send_task_events = True', 'task_send_sent_event = True'],
  }
}

/** Times, in seconds since 1970, in which events of some source may have been lost, as far as they lie in a period. */
export function gapsWithin(system: System | null, from: number, to: number): { from: number, to: number }[] {
  return Object.values(system?.ingestion ?? {})
    .flatMap(source => source.gaps.map(gap => ({ from: Date.parse(gap.from ?? ''), to: Date.parse(gap.to ?? '') })))
    .filter(gap => gap.to > from && gap.from < to)
    .map(gap => ({ from: Math.max(gap.from, from) / 1000, to: Math.min(gap.to, to) / 1000 }))
}
