import { computed } from 'vue'
import { emptyFilter, filterFromUrl, filterToUrl, type ListKey, type TaskFilter } from '~/lib/tasks/filters'

/** The task list's filter. The URL holds it, so that a view can be kept and sent to somebody. */
export function useTaskFilter() {
  const route = useRoute()
  const router = useRouter()
  const filter = computed(() => filterFromUrl(route.query))

  function change(part: Partial<TaskFilter>): void {
    const next = { ...filter.value, ...part }
    if (part.last) Object.assign(next, { from: '', to: '' })
    if (part.from || part.to) next.last = ''
    void router.replace({ path: route.path, query: filterToUrl(next) })
  }

  function toggle(key: ListKey, value: string): void {
    const values = filter.value[key] as string[]
    change({ [key]: values.includes(value) ? values.filter(other => other !== value) : [...values, value] })
  }

  function clear(): void {
    change({ ...emptyFilter(), sort: filter.value.sort })
  }

  return { filter, change, toggle, clear }
}
