/** What a list is sorted by, as the page's URL has it: `failed` or `-failed`, greatest first. Pure. */
export interface Sort {
  key: string
  down: boolean
}

type Value = number | string | null | undefined

export function sortFromUrl(text: unknown, allowed: readonly string[]): Sort | null {
  if (typeof text !== 'string') return null
  const down = text.startsWith('-')
  const key = down ? text.slice(1) : text
  return allowed.includes(key) ? { key, down } : null
}

export function sortToUrl(sort: Sort | null): string | undefined {
  return sort ? `${sort.down ? '-' : ''}${sort.key}` : undefined
}

/** The next press on a column's heading: figures begin with the greatest, texts with the first; the third press ends it. */
export function nextSort(before: Sort | null, key: string, figures: boolean): Sort | null {
  if (before?.key !== key) return { key, down: figures }
  return before.down === figures ? { key, down: !figures } : null
}

/** A sorted copy; what has no value is last whichever way, and equal ones keep their order. */
export function sorted<T>(items: readonly T[], valueOf: (item: T) => Value, down: boolean, compareTexts: (a: string, b: string) => number): T[] {
  const keyed = items.map(item => ({ item, value: valueOf(item) ?? null }))
  keyed.sort(({ value: a }, { value: b }) => {
    if (a === null || b === null) return Number(a === null) - Number(b === null)
    const order = typeof a === 'string' || typeof b === 'string' ? compareTexts(String(a), String(b)) : a - b
    return down ? -order : order
  })
  return keyed.map(({ item }) => item)
}

/** Whether all words of what is typed are in one of the texts. */
export function hasWords(typed: string, texts: readonly (string | null)[]): boolean {
  const words = typed.toLowerCase().split(/\s+/).filter(Boolean)
  if (words.length === 0) return true
  const all = texts.map(text => text?.toLowerCase() ?? '')
  return words.every(word => all.some(text => text.includes(word)))
}
