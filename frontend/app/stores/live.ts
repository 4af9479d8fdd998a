import { defineStore } from 'pinia'
import { computed, ref, shallowRef } from 'vue'
import { basePath } from '~/lib/base'
import { LiveConnection, TOPICS, type Connection, type Frame, type Topic } from '~/lib/live'
import type { LiveFilter } from '~/lib/tasks/filters'

/** Something on the page that wants to be kept up to date. */
export interface Watcher {
  topics: Topic[]
  /** Limits the topic `tasks`; of several watchers, the newest one's counts. */
  filter?: LiveFilter
  frame?: (frame: Frame) => void
  /** Load again over REST: the connection is new, or something was missed. */
  reload?: () => void
}

export interface Watch {
  refilter: (filter: LiveFilter) => void
  stop: () => void
}

/** The one WebSocket of the page: its state, and who wants what from it. */
export const useLiveStore = defineStore('live', () => {
  const connection = shallowRef<Connection>({ state: 'connecting', attempt: 0 })
  const feedConnected = ref(true)
  /** When what is shown stopped being live; null while it is. */
  const lostAt = ref<number | null>(null)
  /** How long the last interruption was, in milliseconds; null when there was none. */
  const lastOutage = ref<number | null>(null)
  /** When the last frame came, in the viewer's clock. No ref: it changes with every frame, and the clock looks at it. */
  let heardAt: number | null = null
  const isLive = computed(() => connection.value.state === 'open')

  const watchers = new Set<Watcher>()
  let socket: LiveConnection | null = null

  function start(url = defaultUrl()): void {
    if (socket) return
    socket = new LiveConnection(url, { connection: onConnection, frame: onFrame })
    resubscribe()
    socket.start()
    window.addEventListener('online', retryNow)
    document.addEventListener('visibilitychange', onVisible)
  }

  function stop(): void {
    socket?.stop()
    socket = null
    window.removeEventListener('online', retryNow)
    document.removeEventListener('visibilitychange', onVisible)
  }

  function retryNow(): void {
    socket?.retryNow()
  }

  function onVisible(): void {
    if (document.visibilityState === 'visible') retryNow()
  }

  function watch(watcher: Watcher): Watch {
    watchers.add(watcher)
    resubscribe()
    return {
      refilter(filter) {
        watcher.filter = filter
        resubscribe()
      },
      stop() {
        watchers.delete(watcher)
        resubscribe()
      },
    }
  }

  function resubscribe(): void {
    const all = [...watchers]
    const topics = TOPICS.filter(topic => all.some(watcher => watcher.topics.includes(topic)))
    const filter = all.findLast(watcher => watcher.topics.includes('tasks'))?.filter
    socket?.subscribe(topics, filter)
  }

  function onConnection(next: Connection): void {
    connection.value = next
    if (next.state === 'open') {
      lastOutage.value = lostAt.value === null ? lastOutage.value : Date.now() - lostAt.value
      lostAt.value = null
    } else if (next.state === 'waiting') {
      lostAt.value ??= Date.now()
    }
  }

  function onFrame(frame: Frame): void {
    heardAt = Date.now()
    if (frame.type === 'feed') {
      feedConnected.value = frame.feed === 'connected'
    } else if (frame.type === 'hello') {
      feedConnected.value = frame.feed === 'connected'
      reloadAll()
    } else if (frame.type === 'resync') {
      feedConnected.value = true
      for (const watcher of [...watchers]) {
        if (watcher.topics.some(topic => frame.topics.includes(topic))) watcher.reload?.()
      }
    } else if (frame.type === 'error') {
      console.warn('live:', frame.detail)
    } else {
      for (const watcher of [...watchers]) watcher.frame?.(frame)
    }
  }

  /** Everything is loaded again: requests may have failed meanwhile. */
  function reloadAll(): void {
    for (const watcher of [...watchers]) watcher.reload?.()
  }

  return { connection, feedConnected, lostAt, lastOutage, isLive, lastHeard: () => heardAt, reloadAll, start, stop, retryNow, watch }
})

function defaultUrl(): string {
  return `${location.protocol === 'https:' ? 'wss' : 'ws'}://${location.host}${basePath()}/api/v1/ws`
}
