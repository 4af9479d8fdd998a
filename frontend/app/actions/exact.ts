import { failureOf, outcome } from '~/api/client'
import type { TaskSent } from '~/api/types'
import type { Outcome, Values } from '~/lib/action'
import { parseExact } from '~/lib/exactJson'
import { t } from '~/texts'

export const textOf = (values: Values, key: string) => values[key]?.trim() ?? ''

/** Members of a body for what was typed. Numbers in arguments go as they stand there: the text is pasted, not read and written again. */
export function exactMembers(values: Values, keys: { texts: readonly string[], numbers: readonly string[] }): string[] {
  const typed = (names: readonly string[], write: (text: string) => string | number) =>
    names.filter(key => textOf(values, key)).map(key => `"${key}":${write(textOf(values, key))}`)
  return [...typed(keys.texts, JSON.stringify), ...typed(['args', 'kwargs'], text => text), ...typed(keys.numbers, Number)]
}

/** How a body goes that is text already, and its answer comes. */
export const EXACT = {
  bodySerializer: (body: unknown) => body as string,
  headers: { 'Content-Type': 'application/json' },
  parseAs: 'text',
} as const

/** The answer of such a call, with numbers as they were sent. */
export async function exactOutcome<T>(call: Parameters<typeof outcome>[0]): Promise<Outcome<T>> {
  const answer = await outcome(call)
  if (!answer || 'failure' in answer) return answer
  try {
    return { data: parseExact(answer.data as string) as T }
  } catch (error) {
    return { failure: failureOf(error) }
  }
}

/** Where a task goes: the queue, or the exchange that finds it. */
export function wayOf(sent: TaskSent): string {
  return sent.queue ? t.actions.taskWill.toQueue(sent.queue) : t.actions.taskWill.toExchange(sent.exchange ?? '', sent.routing_key ?? '')
}
