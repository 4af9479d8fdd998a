import { ref, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { DoctorReport } from '~/api/types'

/** A look at a broker and all of its workers, when the viewer asks for it: each worker has to answer. */
export function useDoctor() {
  const reports = shallowRef(new Map<string, DoctorReport>())
  const failures = shallowRef(new Map<string, Failure>())
  const asking = ref(new Set<string>())

  async function examine(source: string): Promise<void> {
    if (asking.value.has(source)) return
    asking.value = new Set(asking.value).add(source)
    const answer = await outcome(api.GET('/api/v1/system/doctor', { params: { query: { source } } }))
    const still = new Set(asking.value)
    still.delete(source)
    asking.value = still
    const [nextReports, nextFailures] = [new Map(reports.value), new Map(failures.value)]
    nextFailures.delete(source)
    if (answer && 'data' in answer) nextReports.set(source, answer.data)
    else if (answer) nextFailures.set(source, answer.failure)
    reports.value = nextReports
    failures.value = nextFailures
  }

  return { reports, failures, asking, examine }
}
