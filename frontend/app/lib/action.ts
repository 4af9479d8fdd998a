import type { RouteLocationRaw } from 'vue-router'
import type { Failure } from '~/api/client'
import type { Job, WorkerReplies } from '~/api/types'
import { t } from '~/texts'

/** What an action is made of, whatever it acts on: what is asked for, what it would do, and what became of it. */

export interface Field {
  key: string
  label: string
  kind: 'text' | 'number' | 'list' | 'object' | 'choice' | 'flag' | 'time'
  value?: string
  options?: readonly string[]
  /** What options are called; the others are shown as they are. */
  labels?: Readonly<Record<string, string>>
  /** Offered while one types; anything else may be typed too. */
  suggestions?: readonly string[]
  required?: boolean
  least?: number
  most?: number
  hint?: string
  /** Shown, and sent, only when the viewer asks for what has this name. */
  section?: string
  /** Offered only when the dry run, or what was typed, says so. */
  when?: (plan: unknown, values: Values) => boolean
  /** What is wrong with the text, as the rest of a sentence after the label; null if nothing is. */
  check?: (text: string) => string | null
}

/** As typed, by the field's key; of a section that is not open, nothing. */
export type Values = Readonly<Record<string, string>>

/** What an action says to the viewer, before or after. */
export interface Said {
  lines: string[]
  warnings?: string[]
  /** How many, by what. */
  counts?: { label: string, rows: [name: string, n: number][] }[]
  /** Shown as it is. */
  message?: string
  replies?: Pick<WorkerReplies, 'replies' | 'missing'> & { note?: string | null }
  link?: { text: string, to: RouteLocationRaw }
  job?: Job
  /** It would do nothing, so there is nothing to confirm. */
  nothing?: boolean
}

export type Outcome<T> = { data: T } | { failure: Failure } | null

export interface Action<Plan = unknown, Done = unknown> {
  title: string
  verb: string
  fields: readonly Field[]
  /** It can't be undone. */
  grave: boolean
  /** It stops or deletes something: its button is red. */
  danger?: boolean
  /** The number that must be typed before it is done. */
  sure?: (plan: Plan) => number | null
  /** What the page forgets once it is done. */
  after?: () => void
  plan: (values: Values) => Promise<Outcome<Plan>>
  act: (values: Values, plan: Plan) => Promise<Outcome<Done>>
  sayPlan: (plan: Plan, values: Values) => Said
  sayDone: (done: Done) => Said
  /** What a section is filled with when it is opened. */
  fill?: (section: string, plan: Plan | null) => Record<string, string>
}

/** What is wrong with what was typed, or nothing. */
export function problemOf(fields: readonly Field[], values: Values): string | null {
  for (const field of fields) {
    const text = values[field.key]?.trim()
    if (text === undefined) continue
    const problem = text === '' ? (field.required ? t.actions.check.required : null) : checkText(field, text)
    if (problem) return t.actions.check.problem(field.label, problem)
  }
  return null
}

/** More than this many tasks or messages are acted on only when their number was typed. */
export const MANY = 100

function checkText(field: Field, text: string): string | null {
  if (field.check) return field.check(text)
  if (field.kind === 'number') {
    const n = Number(text)
    if (!Number.isFinite(n)) return t.actions.check.number
    if (n < (field.least ?? -Infinity)) return t.actions.check.least(field.least!)
    return n > (field.most ?? Infinity) ? t.actions.check.most(field.most!) : null
  }
  if (field.kind !== 'list' && field.kind !== 'object') return null
  let value: unknown
  try {
    value = JSON.parse(text)
  } catch (error) {
    return t.actions.check.json((error as SyntaxError).message)
  }
  if (field.kind === 'list') return Array.isArray(value) ? null : t.actions.check.list
  return value !== null && typeof value === 'object' && !Array.isArray(value) ? null : t.actions.check.object
}

/** What counts of what was typed: fields of sections that are not open are left out. */
export function valuesOf(fields: readonly Field[], typed: Values, sections: ReadonlySet<string>): Record<string, string> {
  return Object.fromEntries(fields
    .filter(field => !field.section || sections.has(field.section))
    .map(field => [field.key, typed[field.key] ?? '']))
}

export const SIGNALS = ['TERM', 'INT', 'QUIT', 'KILL', 'HUP', 'USR1', 'USR2'] as const
