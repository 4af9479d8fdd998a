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
  /** It changes something: Enter does not choose it until somebody has gone to it. */
  careful?: boolean
  /** It matches what is typed, as the gateway says. */
  found?: boolean
}

export const MOST_OF_A_GROUP = 8

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

/** The best of each group, the group with the best match first. Groups of actions come after the others. */
export function findEntries(entries: readonly PaletteEntry[], typed: string): PaletteEntry[] {
  const groups = new Map<string, { entry: PaletteEntry, score: number }[]>()
  for (const entry of entries) {
    const score = Math.max(matchScore(`${entry.label} ${entry.detail ?? ''}`, typed), entry.found ? 1 : 0)
    if (!groups.has(entry.group)) groups.set(entry.group, [])
    if (score > 0) groups.get(entry.group)!.push({ entry, score })
  }
  const rank = (found: { entry: PaletteEntry, score: number }[]) => typed ? Math.max(0, ...found.filter(({ entry }) => !entry.careful).map(({ score }) => score)) : 0
  return [...groups.values()]
    .map(found => found.sort((a, b) => b.score - a.score).slice(0, MOST_OF_A_GROUP))
    .sort((a, b) => rank(b) - rank(a))
    .flatMap(found => found.map(({ entry }) => entry))
}

/** What Enter takes before anybody has moved: the first that changes nothing. */
export function firstChoice(entries: readonly PaletteEntry[]): PaletteEntry | undefined {
  return entries.find(entry => !entry.careful)
}
