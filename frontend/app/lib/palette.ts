import type { RouteLocationRaw } from 'vue-router'

/** One thing that the palette can go to or do. */
export interface PaletteEntry {
  key: string
  group: string
  label: string
  /** Beside the label, and searched too. */
  detail?: string
  to?: RouteLocationRaw
  run?: () => void
  keys?: string
  status?: string
}

export const MOST_OF_A_GROUP = 6

/** How well a text answers what was typed: 0 not at all, more is better. Words may stand in any order. */
export function matchScore(text: string, typed: string): number {
  const all = text.toLowerCase()
  let score = 1
  for (const word of typed.toLowerCase().split(/\s+/).filter(Boolean)) {
    const at = all.indexOf(word)
    if (at < 0) return 0
    score += word.length / all.length + (at === 0 ? 2 : /[\s._@/-]/.test(all[at - 1]!) ? 1 : 0)
  }
  return score
}

/** The best of each group, in the order in which the groups first appear. */
export function findEntries(entries: readonly PaletteEntry[], typed: string): PaletteEntry[] {
  const groups = new Map<string, { entry: PaletteEntry, score: number }[]>()
  for (const entry of entries) {
    const score = matchScore(`${entry.label} ${entry.detail ?? ''}`, typed)
    if (!groups.has(entry.group)) groups.set(entry.group, [])
    if (score > 0) groups.get(entry.group)!.push({ entry, score })
  }
  return [...groups.values()].flatMap(found => found.sort((a, b) => b.score - a.score).slice(0, MOST_OF_A_GROUP).map(({ entry }) => entry))
}
