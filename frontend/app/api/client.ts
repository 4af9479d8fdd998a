import createClient from 'openapi-fetch'
import { basePath } from '~/lib/base'
import { sentenceOf } from '~/lib/format'
import { t } from '~/texts'
import type { paths } from './schema'
import type { Problem } from './types'

/** The REST interface, typed from gateway/openapi.json. Same origin and prefix, so no address is configured anywhere. */
export const api = createClient<paths>({
  baseUrl: typeof location === 'undefined' ? 'http://localhost' : location.origin + basePath(),
  credentials: 'same-origin',
  // Looked up at each call: tests replace it.
  fetch: request => globalThis.fetch(request),
})

/** A request that failed, in words for the viewer. */
export interface Failure {
  status: number | null
  text: string
}

/** From what openapi-fetch answers as `error`, or from what was thrown. */
export function failureOf(error: unknown, response?: Response): Failure {
  if (response) {
    const problem = (error ?? {}) as Partial<Problem>
    const text = problem.detail ?? problem.title ?? t.errors.answered(response.status, response.statusText)
    return { status: response.status, text: sentenceOf(text) }
  }
  return { status: null, text: t.errors.unreachable }
}

type Answer<T> = { data?: T, error?: unknown, response: Response }

/** Awaits a call of `api` and tells its outcome without throwing; an aborted one is `null`. */
export async function outcome<T>(call: Promise<Answer<T>>): Promise<{ data: T } | { failure: Failure } | null> {
  try {
    const { data, error, response } = await call
    if (response.ok && data !== undefined) return { data }
    return { failure: failureOf(error, response) }
  } catch (error) {
    if (error instanceof DOMException && error.name === 'AbortError') return null
    return { failure: failureOf(error) }
  }
}
