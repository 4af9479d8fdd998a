import { computed } from 'vue'
import { nextSort, sortFromUrl, sortToUrl, type Sort } from '~/lib/fleet/sort'

const LONGEST = 200

/** What a list of the fleet is limited to and sorted by: `q`, `only` and `sort` of the page's URL. */
export function useListQuery<O extends string>(only: readonly O[], sorts: readonly string[]) {
  const route = useRoute()
  const router = useRouter()
  const textOf = (value: unknown) => typeof value === 'string' ? value.slice(0, LONGEST) : ''
  const change = (part: Record<string, string | undefined>) => void router.replace({ path: route.path, query: { ...route.query, ...part } })

  const q = computed({ get: () => textOf(route.query.q), set: next => change({ q: next || undefined }) })
  const chosen = computed({
    get: () => only.find(one => one === route.query.only) ?? null,
    set: next => change({ only: next ?? undefined }),
  })
  const sort = computed(() => sortFromUrl(route.query.sort, sorts))
  const setSort = (next: Sort | null) => change({ sort: sortToUrl(next) })
  const pressSort = (key: string, figures: boolean) => setSort(nextSort(sort.value, key, figures))
  const clear = () => change({ q: undefined, only: undefined })

  return { q, only: chosen, sort, pressSort, clear }
}
