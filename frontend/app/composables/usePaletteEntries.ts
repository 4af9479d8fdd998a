import { computed, onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, outcome } from '~/api/client'
import type { Task } from '~/api/types'
import { findEntries, type PaletteEntry } from '~/lib/palette'
import { COMMON_VIEWS } from '~/lib/tasks/views'
import { OFFERS_EVERYWHERE } from '~/lib/wish'

const TYPING_MS = 150
/** Fewer letters than this find too much. */
const LEAST = 2
const GIVE_UP_MS = 2000

/** Everything that can be gone to: actions on what is on the screen, pages, views, workers, queues, names of tasks, and tasks that match what is typed. */
export function usePaletteEntries(typed: Ref<string>) {
  const workers = useWorkersStore()
  const queues = useQueuesStore()
  const preferences = usePreferencesStore()
  const actions = useActionsStore()
  const { choose } = useTheme()
  const linkTo = useTaskLink()
  const tasks = shallowRef<Task[]>([])
  const names = shallowRef<string[]>([])
  let timer: ReturnType<typeof setTimeout> | undefined
  let request: AbortController | null = null

  async function search(): Promise<void> {
    request?.abort()
    const mine = request = new AbortController()
    const q = typed.value.trim()
    if (q.length < LEAST) { tasks.value = []; names.value = []; return }
    const giveUp = setTimeout(() => mine.abort(), GIVE_UP_MS)
    const [foundNames, foundTasks] = await Promise.all([
      outcome(api.GET('/api/v1/task-names', { params: { query: { q, limit: 6 } }, signal: mine.signal })),
      outcome(api.GET('/api/v1/tasks', { params: { query: { q, limit: 5 } }, signal: mine.signal })),
    ])
    clearTimeout(giveUp)
    if (request !== mine) return
    names.value = foundNames && 'data' in foundNames ? foundNames.data.items : []
    tasks.value = foundTasks && 'data' in foundTasks ? foundTasks.data.items : []
  }

  watch(typed, () => {
    clearTimeout(timer)
    timer = setTimeout(() => void search(), TYPING_MS)
  })
  const stops = [workers.open(), queues.open()]
  onScopeDispose(() => {
    clearTimeout(timer)
    request?.abort()
    for (const stop of stops) stop()
  })

  const fixed = computed<PaletteEntry[]>(() => [
    ...[...actions.offers, ...OFFERS_EVERYWHERE].map((offer, i) => ({ key: `action ${i} ${offer.key}`, group: 'Actions', label: offer.label, detail: offer.detail, run: () => actions.ask(offer.wish) })),
    ...[['/', 'Overview', 'g o'], ['/tasks', 'Tasks', 'g t'], ['/workers', 'Workers', 'g w'], ['/queues', 'Queues', 'g q'], ['/system', 'System', 'g s'], ['/audit', 'Audit log', 'g a'], ['/jobs', 'Bulk jobs', ''], ['/settings', 'Settings', 'g ,']]
      .map(([to, label, keys]) => ({ key: `page ${to}`, group: 'Pages', label: label!, to, keys: keys || undefined })),
    ...[...preferences.views, ...COMMON_VIEWS].map(view => ({ key: `view ${view.name}`, group: 'Task views', label: view.name, to: { path: '/tasks', query: view.query } })),
    ...workers.workers.map(worker => ({ key: `worker ${worker.source} ${worker.id}`, group: 'Workers', label: worker.id, detail: worker.status, to: { name: 'workers-id' as const, params: { id: worker.id }, query: { source: worker.source } } })),
    ...queues.queues.map(queue => ({ key: `queue ${queue.source} ${queue.name}`, group: 'Queues', label: queue.name, detail: queue.depth === null ? undefined : `${queue.depth} waiting`, to: { name: 'queues-name' as const, params: { name: queue.name }, query: { source: queue.source } } })),
    ...(['light', 'dark', 'system'] as const).map(theme => ({ key: `theme ${theme}`, group: 'Appearance', label: theme === 'system' ? 'Use system theme' : `${theme === 'dark' ? 'Dark' : 'Light'} theme`, run: () => choose(theme) })),
    { key: 'density', group: 'Appearance', label: preferences.density === 'dense' ? 'Comfortable rows' : 'Compact rows', run: () => preferences.change({ density: preferences.density === 'dense' ? 'comfortable' : 'dense' }) },
    { key: 'zone', group: 'Appearance', label: preferences.utc ? 'Show local time' : 'Show times in UTC', run: () => preferences.change({ zone: preferences.utc ? 'local' : 'utc' }) },
  ])

  return computed<PaletteEntry[]>(() => {
    const q = typed.value.trim()
    const found = findEntries(fixed.value, q)
    if (!q) return found.filter(entry => entry.group === 'Pages' || entry.group === 'Actions' || entry.group === 'Task views')
    return [
      ...found,
      ...names.value.map(name => ({ key: `name ${name}`, group: 'Task names', label: name, detail: 'all runs', to: { path: '/tasks', query: { name } } })),
      ...tasks.value.map(task => ({ key: `task ${task.source} ${task.id}`, group: 'Tasks', label: task.name ?? task.id, detail: task.id, status: task.status, to: linkTo(task) })),
      { key: 'search', group: 'Search', label: `Search tasks for “${q}”`, to: { path: '/tasks', query: { q } } },
    ]
  })
}
