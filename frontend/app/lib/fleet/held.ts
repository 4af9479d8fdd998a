/**
 * Everything of one kind that the page holds, by its key: bounded, and in one order. A frame costs what it carries: the order
 * is made again only when something came, went, or changed its place in it. What did not change stays the same object.
 */
export class Held<T extends object> {
  readonly byKey = new Map<string, T>()
  #sorted: T[] = []
  #places = new Map<string, number>()

  constructor(readonly most: number, readonly keyOf: (item: T) => string, readonly compare: (a: T, b: T) => number) {}

  get sorted(): readonly T[] {
    return this.#sorted
  }

  /** Everything there is now. */
  replace(items: readonly T[]): void {
    const next = new Map<string, T>()
    for (const item of items) {
      const key = this.keyOf(item)
      const before = this.byKey.get(key)
      if (next.size < this.most || next.has(key)) next.set(key, before && isSame(before, item) ? before : item)
    }
    this.byKey.clear()
    for (const [key, item] of next) this.byKey.set(key, item)
    this.#sort()
  }

  /** Some of it, as `merge` makes it of what is there; null leaves it. */
  put<P>(parts: readonly P[], keyOf: (part: P) => string, merge: (part: P, before: T | undefined) => T): void {
    let moved = false
    const sorted = [...this.#sorted]
    for (const part of parts) {
      const key = keyOf(part)
      const before = this.byKey.get(key)
      if (!before && this.byKey.size >= this.most) continue
      const item = merge(part, before)
      this.byKey.set(key, item)
      const place = this.#places.get(key)
      if (before === undefined || place === undefined || this.compare(before, item) !== 0) moved = true
      else sorted[place] = item
    }
    if (moved) this.#sort()
    else this.#sorted = sorted
  }

  #sort(): void {
    this.#sorted = [...this.byKey.values()].sort(this.compare)
    this.#places = new Map(this.#sorted.map((item, place) => [this.keyOf(item), place]))
  }
}

/** Whether two answers about one thing say the same. */
function isSame(a: object, b: object): boolean {
  return JSON.stringify(a) === JSON.stringify(b)
}

/** The order of names: as people count, so node-2 comes before node-10. */
const collator = new Intl.Collator('en', { numeric: true })
export function compareNames(a: string, b: string): number {
  return a === b ? 0 : collator.compare(a, b) || (a < b ? -1 : 1)
}

/** Collects what comes in many small parts, and hands it over at most once in `ms`. */
export class Batch<P> {
  #parts: P[] = []
  #timer: ReturnType<typeof setTimeout> | undefined

  constructor(readonly ms: number, readonly handOver: (parts: P[]) => void) {}

  add(parts: readonly P[]): void {
    this.#parts.push(...parts)
    this.#timer ??= setTimeout(() => this.flush(), this.ms)
  }

  flush(): void {
    clearTimeout(this.#timer)
    this.#timer = undefined
    const parts = this.#parts
    this.#parts = []
    if (parts.length) this.handOver(parts)
  }

  /** Forgets what has not been handed over. */
  drop(): void {
    this.#parts = []
    this.flush()
  }
}
