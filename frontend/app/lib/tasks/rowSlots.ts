/**
 * Which element shows which row. What stays on screen keeps its element; what comes takes one of those that go. So a list
 * that changes altogether many times a second makes no elements, and throws none away.
 */
export class RowSlots {
  #held = new Map<string, number>()
  #count = 0

  /** A number for each key; keys that were there the last time have the same as then. */
  assign(keys: readonly string[]): number[] {
    const wanted = new Set(keys)
    const free: number[] = []
    for (const [key, slot] of this.#held) if (!wanted.has(key)) free.push(slot)
    const next = new Map<string, number>()
    let taken = 0
    for (const key of keys) next.set(key, this.#held.get(key) ?? free[taken++] ?? this.#count++)
    this.#held = next
    return keys.map(key => next.get(key)!)
  }
}
