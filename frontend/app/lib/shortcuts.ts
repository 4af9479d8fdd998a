import { t } from '~/texts'

/** Every shortcut of every page, for the list in Settings and behind "?". tests/list.test.ts compares it with the components. */
export interface ShortcutText { keys: string, group: string, text: string }

export function allShortcuts(): ShortcutText[] {
  const { groups, ...texts } = t.shortcuts
  const pages = t.layout.pages
  return [
    ...inGroup(groups.global, { 'mod+k': texts.search, '?': texts.help }),
    ...inGroup(groups.go, { 'g o': pages.overview, 'g t': pages.tasks, 'g w': pages.workers, 'g q': pages.queues, 'g s': pages.system, 'g a': pages.audit, 'g ,': pages.settings }),
    ...inGroup(groups.list, { '/': texts.filter, 'j': texts.next, 'k': texts.previous, 'x': texts.select, 'X': texts.selectRange, 'Space': t.tasks.keys.peek, 'r': texts.retrySelected, '.': texts.reload, 'Escape': texts.clear }),
    ...inGroup(groups.task, { j: texts.next, k: texts.previous, r: texts.retry }),
  ]
}

function inGroup(group: string, texts: Record<string, string>): ShortcutText[] {
  return Object.entries(texts).map(([keys, text]) => ({ keys, group, text }))
}
