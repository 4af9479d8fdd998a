import { computed, onScopeDispose, shallowRef, watch, type Ref } from 'vue'
import { api, outcome } from '~/api/client'
import type { Task } from '~/api/types'
import { findEntries, type PaletteEntry } from '~/lib/palette'
import { commonViews } from '~/lib/tasks/views'
import { workerLabel } from '~/lib/status'
import { offersEverywhere, type Wish } from '~/lib/wish'

const TYPING_MS = 150
/** Fewer letters than this find too much. */
const LEAST = 2
const GIVE_UP_MS = 2000
/** Actions that Enter may take as the best match: they can be taken back, or begin with an empty form. */
const HARMLESS: ReadonlySet<Wish['kind']> = new Set(['send', 'pause', 'resume', 'resolve', 'unresolve'])

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

  const fixed = computed<PaletteEntry[]>(() => {
    const { groups, ...texts } = t.palette
    const pages = t.layout.pages
    return [
      ...([['/', pages.overview, 'g o'], ['/tasks', pages.tasks, 'g t'], ['/workers', pages.workers, 'g w'], ['/queues', pages.queues, 'g q'], ['/system', pages.system, 'g s'], ['/audit', pages.audit, 'g a'], ['/jobs', pages.jobs, undefined], ['/settings', pages.settings, 'g ,']] as const)
        .map(([to, label, keys]) => ({ key: `page ${to}`, group: groups.pages, label, to, keys })),
      ...[...preferences.views, ...commonViews()].map(view => ({ key: `view ${view.name}`, group: groups.views, label: view.name, to: { path: '/tasks', query: view.query } })),
      ...[...actions.offers, ...offersEverywhere()].map((offer, i) => ({ key: `action ${i} ${offer.key}`, group: groups.actions, label: offer.label, detail: offer.detail, careful: !HARMLESS.has(offer.wish.kind), run: () => actions.ask(offer.wish) })),
      ...workers.workers.map(worker => ({ key: `worker ${worker.source} ${worker.id}`, group: groups.workers, label: worker.id, detail: workerLabel(worker.status), to: { name: 'workers-id' as const, params: { id: worker.id }, query: { source: worker.source } } })),
      ...queues.queues.map(queue => ({ key: `queue ${queue.source} ${queue.name}`, group: groups.queues, label: queue.name, detail: queue.depth === null ? undefined : texts.waiting(queue.depth), to: { name: 'queues-name' as const, params: { name: queue.name }, query: { source: queue.source } } })),
      ...(['light', 'dark', 'system'] as const).map(theme => ({ key: `theme ${theme}`, group: groups.appearance, label: texts.useTheme[theme], run: () => choose(theme) })),
      { key: 'density', group: groups.appearance, label: preferences.density === 'dense' ? texts.comfortable : texts.compact, run: () => preferences.change({ density: preferences.density === 'dense' ? 'comfortable' : 'dense' }) },
      { key: 'zone', group: groups.appearance, label: preferences.utc ? texts.localTime : texts.utc, run: () => preferences.change({ zone: preferences.utc ? 'local' : 'utc' }) },
    ]
  })

  return computed<PaletteEntry[]>(() => {
    const { groups, ...texts } = t.palette
    const q = typed.value.trim()
    if (!q) return findEntries(fixed.value.filter(entry => entry.group === groups.pages || entry.group === groups.actions || entry.group === groups.views), '')
    return [
      ...findEntries([
        ...fixed.value,
        ...names.value.map(name => ({ key: `name ${name}`, group: groups.names, label: name, detail: texts.allRuns, found: true, to: { path: '/tasks', query: { name } } })),
        ...tasks.value.map(task => ({ key: `task ${task.source} ${task.id}`, group: groups.tasks, label: task.name ?? task.id, detail: task.id, found: true, status: task.status, to: linkTo(task) })),
      ], q),
      { key: 'search', group: groups.search, label: texts.searchTasks(q), to: { path: '/tasks', query: { q } } },
    ]
  })
}
