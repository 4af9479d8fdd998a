import type { Task } from '~/api/types'

/** Pages of a long list, of which only those around the viewer are kept in memory. */

export interface Mark {
  /** How the page is asked for; null for the first. */
  cursor: string | null
  size: number
}

/**
 * What is known of the list: how long each page is and how to ask for it. The rows of a contiguous stretch of pages are
 * kept, `most` at the most; the first page is kept for good, for asking for it again would give newer tasks.
 */
export class PageWindow {
  marks: Mark[] = []
  rows: Task[] = []
  /** Number of the first row that is kept. */
  offset = 0
  #first = 0
  #last = -1
  #top: Task[] = []

  constructor(readonly most: number) {}

  /** All rows that are known, kept or not. */
  get length(): number {
    return this.marks.reduce((sum, mark) => sum + mark.size, 0)
  }

  get atKnownEnd(): boolean {
    return this.#last === this.marks.length - 1
  }

  /** The list is these rows, from its top. */
  restart(rows: Task[]): void {
    this.marks = [{ cursor: null, size: rows.length }]
    this.rows = rows
    this.offset = 0
    this.#first = this.#last = 0
    this.#top = rows
  }

  /** The rows that are kept have changed where they stand. */
  replace(rows: Task[]): void {
    this.rows = rows
    if (this.#first === 0) this.#top = rows.slice(0, this.marks[0]?.size ?? 0)
  }

  at(index: number): Task | undefined {
    return this.rows[index - this.offset]
  }

  /** Which page to load so that the rows from `begin` to `end` are there; null when they are, as far as the list is known. */
  missing(begin: number, end: number): number | null {
    if (this.marks.length === 0) return null
    const stop = this.offset + this.rows.length
    if (begin >= this.offset && Math.min(end, this.length) <= stop) return null
    if (begin < this.offset || begin > stop) return this.#pageOf(Math.min(begin, this.length - 1))
    return this.#last + 1 < this.marks.length ? this.#last + 1 : null
  }

  /** The first page, when it has to be shown again. */
  get top(): Task[] {
    return this.#top
  }

  /** Puts a page that was known before in its place; what is far from it is given up. */
  put(page: number, rows: Task[]): void {
    this.marks[page]!.size = rows.length
    if (page === this.#last + 1) {
      this.rows = [...this.rows, ...rows]
      this.#last = page
      this.#giveUpAbove()
    } else if (page === this.#first - 1) {
      this.rows = [...rows, ...this.rows]
      this.#first = page
      this.#giveUpBelow()
    } else {
      this.rows = rows
      this.#first = this.#last = page
    }
    this.offset = this.#startOf(this.#first)
  }

  /** A page that follows the last known one. */
  append(cursor: string | null, rows: Task[]): void {
    this.marks.push({ cursor, size: rows.length })
    if (this.#last === this.marks.length - 2) this.put(this.marks.length - 1, rows)
  }

  #giveUpAbove(): void {
    while (this.rows.length > this.most && this.#first < this.#last) {
      this.rows = this.rows.slice(this.marks[this.#first]!.size)
      this.#first++
    }
  }

  #giveUpBelow(): void {
    while (this.rows.length > this.most && this.#first < this.#last) {
      this.rows = this.rows.slice(0, this.rows.length - this.marks[this.#last]!.size)
      this.#last--
    }
  }

  #startOf(page: number): number {
    let start = 0
    for (let i = 0; i < page; i++) start += this.marks[i]!.size
    return start
  }

  #pageOf(index: number): number {
    let start = 0
    for (let i = 0; i < this.marks.length; i++) {
      start += this.marks[i]!.size
      if (index < start) return i
    }
    return this.marks.length - 1
  }
}
