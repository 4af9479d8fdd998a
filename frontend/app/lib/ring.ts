/** The last `capacity` values, oldest first. */
export class Ring<T> {
  #values: T[] = []
  constructor(readonly capacity: number) {}

  push(value: T): void {
    this.#values.push(value)
    if (this.#values.length > this.capacity) this.#values.shift()
  }

  clear(): void {
    this.#values = []
  }

  toArray(): T[] {
    return [...this.#values]
  }

  get length(): number {
    return this.#values.length
  }
}
