import { t } from '~/texts'

/** Keyboard shortcuts: `keys` is "j", "?", "g t" (one after the other) or "mod+k". */
export interface Shortcut {
  keys: string
  text: string
  group: string
  run: (event: KeyboardEvent) => void
  /** Also while one types, as Escape and the palette's key do. */
  always?: boolean
}

const PAUSE_MS = 900

/** Finds which shortcut a key means, with the key before it in mind. */
export class KeyReader {
  #before = ''
  #at = 0

  read(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>, shortcuts: readonly Shortcut[], typing: boolean, now: number): Shortcut | null {
    const key = nameOf(event)
    const pair = now - this.#at < PAUSE_MS && this.#before ? `${this.#before} ${key}` : ''
    const allowed = shortcuts.filter(shortcut => shortcut.always || !typing)
    // The newest counts: a page's own over the whole application's.
    const found = (pair && allowed.findLast(shortcut => shortcut.keys === pair)) || allowed.findLast(shortcut => shortcut.keys === key) || null
    this.#before = found || typing ? '' : key
    this.#at = now
    return found
  }
}

function nameOf(event: Pick<KeyboardEvent, 'key' | 'ctrlKey' | 'metaKey' | 'altKey'>): string {
  const key = event.key
  if (event.altKey) return `alt+${key}`
  return event.ctrlKey || event.metaKey ? `mod+${key.toLowerCase()}` : key
}

/** Whether keys are text there rather than commands. */
export function isTyping(target: EventTarget | null): boolean {
  if (!(target instanceof HTMLElement)) return false
  if (target.isContentEditable || target.tagName === 'TEXTAREA' || target.tagName === 'SELECT') return true
  return target.tagName === 'INPUT' && !['checkbox', 'radio', 'button', 'range'].includes((target as HTMLInputElement).type)
}

/** What stands on the key caps of a shortcut. */
export function keyCaps(keys: string, mac: boolean): string[] {
  return keys.split(' ').flatMap(part => part.split('+').map((key) => {
    if (key === 'mod' && mac) return '⌘'
    return { Enter: '↵', ArrowUp: '↑', ArrowDown: '↓', ...t.shortcuts.keyCaps }[key] ?? key
  }))
}

export const isMac = typeof navigator !== 'undefined' && /Mac|iPhone|iPad/.test(navigator.userAgent)
