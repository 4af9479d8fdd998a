import type { DoctorReport, Finding, System } from '~/api/types'
import { formatCount, formatSeconds } from './format'

export type Severity = 'error' | 'warning' | 'info'

/** One thing that the viewer should know about Kanchi or its brokers. */
export interface Concern {
  severity: Severity
  key: string
  text: string
  remedy: string | null
}

export interface Health {
  level: 'good' | 'warning' | 'error' | 'unknown'
  headline: string
  concerns: Concern[]
}

const LAG_WARNING_SECONDS = 10
const ORDER: Record<Severity, number> = { error: 0, warning: 1, info: 2 }

/** What /api/v1/system says, as one line and a list, the worst first. */
export function healthOf(system: System | null): Health {
  if (!system) return { level: 'unknown', headline: 'Checking…', concerns: [] }
  const concerns = [...serviceConcerns(system), ...sourceConcerns(system), ...findingConcerns(system)]
    .sort((a, b) => ORDER[a.severity] - ORDER[b.severity])
  const errors = concerns.filter(concern => concern.severity === 'error').length
  const warnings = concerns.filter(concern => concern.severity === 'warning').length
  if (errors) return { level: 'error', headline: counted(errors, 'issue'), concerns }
  if (warnings) return { level: 'warning', headline: counted(warnings, 'warning'), concerns }
  return { level: 'good', headline: 'Kanchi OK', concerns }
}

function counted(n: number, what: string): string {
  return `${n} ${what}${n === 1 ? '' : 's'}`
}

function serviceConcerns(system: System): Concern[] {
  return system.services
    .filter(service => service.state === 'away' || service.state === 'degraded')
    .map((service) => {
      const away = service.state === 'away'
      const about = service.source ? `${service.name} (${service.source})` : service.name
      return {
        severity: away ? 'error' : 'warning',
        key: `service:${service.name}:${service.id}`,
        text: away ? `Service ${about} is not responding.` : `Service ${about} is degraded: ${service.detail ?? 'no reason given'}`,
        remedy: away && service.detail ? service.detail : null,
      }
    })
}

function sourceConcerns(system: System): Concern[] {
  const concerns: Concern[] = []
  for (const [name, source] of Object.entries(system.ingestion)) {
    const broker = source.broker ? `${name} (${source.broker})` : name
    if (source.state === 'away') {
      concerns.push({ severity: 'error', key: `away:${name}`, text: `Broker ${broker} is unreachable${source.error ? `: ${source.error}` : '.'}`, remedy: null })
    }
    if (source.events_lost > 0) {
      concerns.push({ severity: 'warning', key: `lost:${name}`, text: `${formatCount(source.events_lost)} events from ${name} were lost. Some tasks may show an outdated state.`, remedy: null })
    }
    if (source.lag_seconds !== null && source.lag_seconds > LAG_WARNING_SECONDS) {
      concerns.push({ severity: 'warning', key: `lag:${name}`, text: `Events from ${name} are ${formatSeconds(source.lag_seconds)} behind. You're seeing delayed data.`, remedy: null })
    }
    if (source.events_invalid > 0) {
      concerns.push({ severity: 'info', key: `invalid:${name}`, text: `${formatCount(source.events_invalid)} messages from ${name} weren't valid events. See the log for details.`, remedy: null })
    }
  }
  return concerns
}

function findingConcerns(system: System): Concern[] {
  return concernsOf(system.findings)
}

/** The doctor's findings, the worst first. */
export function concernsOfReport(report: DoctorReport): Concern[] {
  return concernsOf(report.findings).sort((a, b) => ORDER[a.severity] - ORDER[b.severity])
}

function concernsOf(findings: readonly Finding[]): Concern[] {
  return findings.map((finding, i) => ({
    severity: finding.severity,
    key: `finding:${finding.code}:${finding.source ?? ''}:${finding.subject ?? i}`,
    text: finding.text,
    remedy: finding.remedy,
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
      title: 'Waiting for the broker',
      text: `${away[1].broker ?? away[0]} isn't responding${away[1].error ? `: ${away[1].error}` : ''}. Kanchi keeps retrying. If the address is wrong, restart it with:`,
      lines: ['kanchi up --broker redis://localhost:6379/0'],
    }
  }
  const unreadable = system?.findings.find(finding => finding.code === 'events_unreadable')
  if (unreadable) {
    return {
      title: 'Can\'t read events',
      text: `${unreadable.text} Add this to your Celery configuration and restart workers and clients:`,
      lines: ['event_serializer = "json"'],
    }
  }
  if (workersOnline === 0) {
    return {
      title: 'No workers yet',
      text: 'Kanchi is connected and listening. Start a worker with events enabled:',
      lines: ['celery -A your_app worker --task-events'],
    }
  }
  return {
    title: 'Workers are online, no tasks yet',
    text: 'Tasks appear here as they run. To also see them while they are queued, add to your Celery configuration:',
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
