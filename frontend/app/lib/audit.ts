import type { AuditEntry, AuditQuery, TaskStatus } from '~/api/types'
import { t } from '~/texts'
import type { CommandMethod } from './wish'
import type { UrlQuery } from './tasks/filters'

/** The audit in words, and its filter in the URL. */

export const AUDIT_ACTIONS = ['command', 'retry', 'apply', 'revoke', 'resolve', 'purge', 'move', 'pause', 'resume', 'bulk', 'cancel', 'dismiss'] as const
export type AuditAction = (typeof AUDIT_ACTIONS)[number]

export interface AuditFilter {
  action: AuditAction | ''
  actor: string
  target: string
  source: string
}

const MOST = 1024

export function auditFilterOf(query: UrlQuery): AuditFilter {
  const text = (key: string) => {
    const value = query[key]
    const one = Array.isArray(value) ? value[0] : value
    return typeof one === 'string' ? one.slice(0, MOST) : ''
  }
  return { action: AUDIT_ACTIONS.find(one => one === text('action')) ?? '', actor: text('actor'), target: text('target'), source: text('source') }
}

export function auditFilterToUrl(filter: AuditFilter): Record<string, string> {
  return Object.fromEntries(Object.entries(filter).filter(([, value]) => value !== ''))
}

export function auditFilterToRest(filter: AuditFilter): AuditQuery {
  return {
    ...(filter.action ? { action: [filter.action] } : {}),
    ...(filter.actor ? { actor: filter.actor } : {}),
    ...(filter.target ? { target: filter.target } : {}),
    ...(filter.source ? { source: [filter.source] } : {}),
  }
}

export function titleOfEntry(entry: AuditEntry): string {
  if (entry.verb === 'command' && entry.method) return t.actions.command[entry.method as CommandMethod] ?? entry.method
  if (entry.verb === 'none') return t.audit.none
  return t.audit.actions[entry.verb]
}

/** What became of it, with the status of a task that means the same, for its shape and colour. */
export function outcomeOf(entry: AuditEntry): { text: string, status: TaskStatus } {
  const { outcome } = t.audit
  switch (entry.outcome) {
    case 'done': return { text: outcome.done, status: 'success' }
    case 'partly': return { text: outcome.partly, status: 'retry' }
    case 'refused': return { text: outcome.refused, status: 'rejected' }
    case 'failed': return { text: outcome.failed, status: 'failure' }
    case 'unknown': return entry.ended_at ? { text: outcome.unknown, status: 'orphaned' } : { text: outcome.open, status: 'started' }
  }
}
