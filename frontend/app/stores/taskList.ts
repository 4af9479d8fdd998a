import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { api, outcome, type Failure } from '~/api/client'
import type { Task } from '~/api/types'
import { emptyFilter, filterToLive, filterToRest, matches, type TaskFilter } from '~/lib/tasks/filters'
import type { Frame } from '~/lib/live'
import { Pace } from '~/lib/tasks/pace'
import { PageWindow } from '~/lib/tasks/pages'
import { firstSeen, isNewer, mergeRows, taskKey } from '~/lib/tasks/taskRows'
import { useLiveStore, type Watch } from './live'

/** Bounds: rows kept while the list follows what arrives, rows around the viewer while one scrolls, and held back meanwhile. */
export const FOLLOW_ROWS = 200
export const MOST_ROWS = 3000
export const HELD_ROWS = 200
const FIRST_PAGE = 100
const PAGE = 250
/** Loads again so often while more happens than is sent. */
const RELOAD_MS = 1000
const FRESH_MS = 1500
const PACE_MS = 1000
/** What comes within this time is shown at once: one change of the page for it all. */
const GATHER_MS = 40
/** When a frame brings more than a screen of them, nobody reads each change: fewer of them, at a third of the work. */
const MANY = 50
const GATHER_MANY_MS = 160
/** When more than this come at once, all is new and nothing needs a mark. */
const MOST_FRESH = 10

/**
 * The task list: pages from REST, changes from the WebSocket. While `following`, new tasks go on top and the end is
 * cut; otherwise rows change where they stand, and new ones are held back and counted until the viewer wants them.
 */
export const useTaskListStore = defineStore('taskList', () => {
  const filter = shallowRef<TaskFilter>(emptyFilter())
  const pages = new PageWindow(MOST_ROWS)
  /** The rows that are in memory; the first of them is number `offset` of the list, of which `length` are known. */
  const rows = shallowRef<Task[]>([])
  const offset = ref(0)
  const length = ref(0)
  const held = shallowRef<Task[]>([])
  const heldMore = ref(false)
  /** Whether the viewer stands at the top and points at nothing. */
  const isFree = ref(true)
  /** More comes than one can read: the list holds back by itself, until it is told to follow. */
  const isBusy = ref(false)
  const insists = ref(false)
  const following = computed(() => isFree.value && (!isBusy.value || insists.value))
  /** New rows a second. */
  const rate = ref(0)
  const loading = ref<'first' | 'more' | null>(null)
  const loaded = ref(false)
  const failure = shallowRef<Failure | null>(null)
  const atEnd = ref(false)
  /** How far back a search has looked; null when the gateway doesn't say. */
  const searchedTo = ref<string | null>(null)
  /** The viewer has stopped a search. */
  const stopped = ref(false)
  const isWhole = computed(() => atEnd.value && offset.value === 0 && rows.value.length === length.value)

  /** Rows that came in just now, by key; their arrival is shown for a moment. */
  const fresh = new Map<string, number>()
  let cursor: string | null = null
  /** The now of a period such as the last hour: a cursor goes on only in the list that it was given for. */
  let asOf = 0
  /** The end was cut since the cursor was given: it points below what is shown. */
  let cursorStale = false
  let request: AbortController | null = null
  let watch: Watch | null = null
  let reloadTimer: ReturnType<typeof setTimeout> | undefined
  let gatherTimer: ReturnType<typeof setTimeout> | undefined
  let paceTimer: ReturnType<typeof setInterval> | undefined
  const pace = new Pace()
  const gathered: { items: Task[], created: boolean }[] = []

  function open(next: TaskFilter): void {
    watch ??= useLiveStore().watch({ topics: ['tasks'], filter: filterToLive(next, Date.now()), frame: onFrame, reload: () => void load(true) })
    paceTimer ??= setInterval(judge, PACE_MS)
    setFilter(next)
  }

  function close(): void {
    watch?.stop()
    watch = null
    request?.abort()
    clearTimeout(reloadTimer)
    clearTimeout(gatherTimer)
    clearInterval(paceTimer)
    paceTimer = undefined
    reloadTimer = gatherTimer = undefined
    gathered.length = 0
    fresh.clear()
  }

  function setFilter(next: TaskFilter): void {
    const same = loaded.value && JSON.stringify(next) === JSON.stringify(filter.value)
    filter.value = next
    isFree.value = true
    insists.value = isBusy.value = stopped.value = false
    searchedTo.value = null
    rate.value = 0
    pace.clear()
    watch?.refilter(filterToLive(next, Date.now()))
    void load(same)
  }

  function show(): void {
    rows.value = pages.rows
    offset.value = pages.offset
    length.value = pages.length
  }

  /** The list is these rows, from its top. */
  function restart(next: Task[]): void {
    pages.restart(next)
    show()
  }

  /** Loads the first page; a quiet load leaves on screen what is there until the answer comes. */
  async function load(quiet = false, replace = false): Promise<void> {
    request?.abort()
    const mine = request = new AbortController()
    if (!quiet) {
      restart([])
      dropHeld()
      loaded.value = false
    }
    loading.value = 'first'
    const now = Date.now()
    const answer = await fetchPage(null, mine, FIRST_PAGE, now)
    if (!answer || request !== mine) return
    loading.value = null
    if ('failure' in answer) { failure.value = answer.failure; return }
    failure.value = null
    loaded.value = true
    seenTo(answer.data)
    if (replace || following.value || length.value === 0) {
      asOf = now
      replaceRows(answer.data.items, answer.data.next_cursor)
    } else {
      refreshRows(answer.data.items)
    }
  }

  function replaceRows(items: Task[], next: string | null): void {
    const shown = new Map(rows.value.map(row => [taskKey(row), row]))
    // A frame may have overtaken the answer.
    restart(items.map((task) => {
      const row = shown.get(taskKey(task))
      return row && !isNewer(row, task) ? row : task
    }))
    cursor = next
    cursorStale = false
    atEnd.value = next === null
    dropHeld()
  }

  /** The viewer has scrolled away from the top: nothing moves, what is new is held back. */
  function refreshRows(items: Task[]): void {
    apply(items)
    heldMore.value = true
  }

  /** Sees to it that the rows from `begin` to `end` are there, those that were given up too; and then `ahead` of them around. */
  async function want(begin: number, end: number, ahead = 0): Promise<void> {
    if (loading.value || !loaded.value || failure.value || stopped.value) return
    const page = pages.missing(begin, end) ?? pages.missing(Math.max(0, begin - ahead / 2), end + ahead)
    if (page !== null) await fetchAgain(page)
    else if (end + ahead >= length.value) await loadMore()
  }

  async function fetchAgain(page: number): Promise<void> {
    const at = pages.marks[page]!
    if (at.cursor === null) { pages.put(page, pages.top); show(); return }
    const answer = await ask(at.cursor, at.size || PAGE)
    if (!answer) return
    pages.put(page, answer.items)
    show()
    loading.value = null
  }

  async function loadMore(): Promise<void> {
    if (loading.value || atEnd.value || !loaded.value || failure.value || !pages.atKnownEnd) return
    const stale = cursorStale
    const now = stale ? Date.now() : asOf
    const answer = await ask(stale ? null : cursor, stale ? 500 : PAGE, now)
    if (!answer) return
    if (stale) {
      asOf = now
      pages.restart([...rows.value, ...belowShown(answer.items)])
    } else {
      const known = new Set(rows.value.map(taskKey))
      pages.append(cursor, answer.items.filter(task => !known.has(taskKey(task))))
    }
    cursor = answer.next_cursor
    cursorStale = false
    atEnd.value = cursor === null
    show()
    loading.value = null
  }

  /** Whoever asks is loading until the answer is in its place: else it would be asked for once more. */
  async function ask(at: string | null, limit: number, now = asOf) {
    const mine = request = new AbortController()
    loading.value = 'more'
    const answer = await fetchPage(at, mine, limit, now)
    if (!answer || request !== mine) return null
    if ('failure' in answer) {
      failure.value = answer.failure
      loading.value = null
      return null
    }
    seenTo(answer.data)
    return answer.data
  }

  function seenTo(answer: object): void {
    searchedTo.value = (answer as { searched_to?: string | null }).searched_to ?? null
  }

  /** Ends a search that goes on, or goes on with it. */
  function stop(): void {
    stopped.value = true
    request?.abort()
    request = null
    loading.value = null
    loaded.value = true
  }

  function resume(): void {
    stopped.value = false
    void loadMore()
  }

  /** Of a page that was asked for from the top: what lies below the last row. */
  function belowShown(items: Task[]): Task[] {
    const known = new Set(rows.value.map(taskKey))
    const last = rows.value.at(-1)
    const end = last ? firstSeen(last) : Infinity
    return items.filter(task => firstSeen(task) <= end && !known.has(taskKey(task)))
  }

  function fetchPage(at: string | null, controller: AbortController, limit: number, now: number) {
    const query = { ...filterToRest(filter.value, now), limit, ...(at ? { cursor: at } : {}) }
    return outcome(api.GET('/api/v1/tasks', { params: { query }, signal: controller.signal }))
  }

  function onFrame(frame: Frame): void {
    if (frame.type !== 'task:created' && frame.type !== 'task:updated') return
    if (frame.type === 'task:created' && isNewestFirst()) { pace.add(frame.items.length + frame.omitted, Date.now()); judge() }
    gathered.push({ items: frame.items, created: frame.type === 'task:created' })
    gatherTimer ??= setTimeout(showGathered, frame.items.length > MANY ? GATHER_MANY_MS : GATHER_MS)
    if (frame.omitted > 0) missed()
  }

  const isNewestFirst = () => filter.value.sort === 'newest'

  /** What has piled up is shown once it slows down. */
  function judge(): void {
    const now = Date.now()
    const before = following.value
    rate.value = pace.rate(now)
    isBusy.value = pace.judge(now)
    if (!before && following.value) catchUp()
  }

  function showGathered(): void {
    gatherTimer = undefined
    for (const { items, created } of gathered.splice(0)) apply(items, created)
  }

  /** More happened than was sent: while following, look again; otherwise say so. */
  function missed(): void {
    if (!following.value) { heldMore.value = held.value.length > 0; return }
    reloadTimer ??= setTimeout(() => {
      reloadTimer = undefined
      if (following.value && loading.value === null) void load(true)
    }, RELOAD_MS)
  }

  function apply(tasks: readonly Task[], created = false): void {
    const shown = new Set(rows.value.map(taskKey))
    const known = tasks.filter(task => shown.has(taskKey(task)))
    const unknown = tasks.filter(task => !shown.has(taskKey(task)) && matches(task, filter.value))
    const changed = known.length ? mergeRows(rows.value, known, Infinity) : rows.value
    if (following.value) {
      const kept = known.length ? changed.filter(task => matches(task, filter.value)) : changed
      const next = isNewestFirst() ? add(kept, unknown, created) : kept
      if (next !== rows.value) restart(next)
      return
    }
    if (isNewestFirst()) hold(unknown, created)
    if (changed === rows.value) return
    pages.replace(changed)
    show()
  }

  /** New tasks go on top; what only now matches the filter goes where it belongs, if that is shown at all. */
  function add(to: Task[], tasks: readonly Task[], created: boolean): Task[] {
    const last = to.at(-1)
    const end = created || atEnd.value || !last ? -Infinity : firstSeen(last)
    const belonging = tasks.filter(task => firstSeen(task) >= end)
    if (belonging.length === 0) return to
    markFresh(belonging)
    const merged = mergeRows(to, belonging, Infinity, created)
    if (merged.length <= FOLLOW_ROWS) return merged
    cursorStale = true
    atEnd.value = false
    return merged.slice(0, FOLLOW_ROWS)
  }

  function hold(tasks: readonly Task[], created: boolean): void {
    // It is loaded again anyway before they are shown.
    if (heldMore.value && held.value.length >= HELD_ROWS) return
    const newest = pages.top[0]
    const above = newest && !created ? tasks.filter(task => firstSeen(task) >= firstSeen(newest)) : tasks
    if (above.length === 0) return
    const merged = mergeRows(held.value, above, HELD_ROWS + above.length, created)
    if (merged.length > HELD_ROWS) heldMore.value = true
    held.value = merged.slice(0, HELD_ROWS)
  }

  function dropHeld(): void {
    held.value = []
    heldMore.value = false
  }

  /** The viewer is at the top again and points at nothing. */
  function follow(): void {
    const before = following.value
    isFree.value = true
    if (!before && following.value) catchUp()
  }

  /** Shows what was held back now; a list that holds back by itself goes on to do so. */
  function showHeld(): void {
    isFree.value = true
    catchUp()
  }

  /** Follows however much comes, or leaves it again to the list. */
  function insist(yes: boolean): void {
    const before = following.value
    insists.value = yes
    isFree.value = true
    if (!before && following.value) catchUp()
  }

  function catchUp(): void {
    const waiting = held.value
    const again = heldMore.value || offset.value > 0
    dropHeld()
    const top = offset.value > 0 ? pages.top : rows.value.slice(0, Math.max(FOLLOW_ROWS, pages.top.length))
    if (top.length < length.value) { cursorStale = true; atEnd.value = false }
    restart(add(top.filter(task => matches(task, filter.value)), waiting, true))
    if (again) void load(true, true)
  }

  function holdBack(): void {
    isFree.value = false
  }

  function markFresh(tasks: readonly Task[]): void {
    const now = Date.now()
    for (const [key, at] of fresh) if (now - at > FRESH_MS) fresh.delete(key)
    if (tasks.length > MOST_FRESH) return
    for (const task of tasks) fresh.set(taskKey(task), now)
  }

  function isFresh(task: Task): boolean {
    return Date.now() - (fresh.get(taskKey(task)) ?? 0) < FRESH_MS
  }

  function retry(): void {
    failure.value = null
    void load(rows.value.length > 0)
  }

  return {
    filter, rows, offset, length, held, heldMore, following, isBusy, insists, rate, loading, loaded, failure, atEnd, isWhole, searchedTo, stopped,
    open, close, setFilter, load, loadMore, want, apply, follow, showHeld, insist, holdBack, isFresh, retry, stop, resume,
  }
})
