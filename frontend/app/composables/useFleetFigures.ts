import { shallowRef, watch, type Ref } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { TotalsGroup } from '~/api/types'
import { figuresOf, NO_FIGURES } from '~/lib/fleet/figures'
import { periodToRest, type Period } from '~/lib/periods'

/** As the gateway allows. */
const MOST_GROUPS = 1000
const MOST_NAMES = 100
/** Further requests for one source. */
const MOST_MORE = 20
const POLL_MS = 10_000

export interface Place { source: string, name: string }
export const placeKey = ({ source, name }: Place) => `${source}\u0000${name}`

/** How the tasks of each worker or queue ended in a period; `places` are those that the page knows. */
export function useFleetFigures(groupBy: 'worker' | 'queue', period: Ref<Period>, places: () => readonly Place[]) {
  const system = useSystemStore()
  const figures = shallowRef(NO_FIGURES)
  const failure = shallowRef<Failure | null>(null)
  let turn = 0

  async function load(): Promise<void> {
    const mine = ++turn
    const known = places()
    const range = periodToRest(period.value, Date.now() + system.skew)
    const sources = [...new Set(known.map(place => place.source))]
    const answers = await Promise.all(sources.map(source => ofSource(range, source, known.filter(place => place.source === source), sources.length > 1)))
    if (mine !== turn) return
    failure.value = answers.find(answer => answer?.failure)?.failure ?? null
    if (answers.length && answers.every(answer => answer && !answer.failure)) {
      figures.value = figuresOf(answers.flatMap(answer => answer!.groups), answers.every(answer => answer!.complete))
    }
  }

  /** One source's groups, their keys made those of the places. */
  async function ofSource(range: object, source: string, known: readonly Place[], several: boolean): Promise<{ groups: TotalsGroup[], complete: boolean, failure?: Failure } | null> {
    const ask = (more: object) => outcome(api.GET('/api/v1/metrics/totals', { params: { query: { ...range, group_by: groupBy, limit: MOST_GROUPS, ...(several ? { source: [source] } : {}), ...more } } }))
    const answer = await ask({})
    if (!answer) return null
    if ('failure' in answer) return { groups: [], complete: false, failure: answer.failure }
    const groups = [...answer.data.groups]
    let complete = true
    if (answer.data.groups_left_out) {
      const told = new Set(groups.map(group => group.key))
      const rest = known.map(place => place.name).filter(name => !told.has(name))
      complete = rest.length <= MOST_MORE * MOST_NAMES
      for (let at = 0; complete && at < rest.length; at += MOST_NAMES) {
        const more = await ask({ [groupBy]: rest.slice(at, at + MOST_NAMES) })
        if (more && 'data' in more) groups.push(...more.data.groups)
        else complete = false
      }
    }
    return { groups: groups.map(group => ({ ...group, key: group.key === null ? null : placeKey({ source, name: group.key }) })), complete }
  }

  watch(period, () => {
    figures.value = NO_FIGURES
    void load()
  })
  watch(() => places().length > 0, (some) => { if (some) void load() })
  usePoll(load, POLL_MS)
  return { figures, failure, load }
}
