/** How many new rows a second a list gets, and whether that is too many to read. Pure. */

const WINDOW_MS = 4000
/** Above this a list that moves is a flicker; it moves again when it is well below. */
const TOO_FAST = 5
const SLOW = 3

export class Pace {
  #arrivals: { at: number, n: number }[] = []
  isTooFast = false

  add(n: number, now: number): void {
    if (n > 0) this.#arrivals.push({ at: now, n })
  }

  /** New rows a second, over the last few. */
  rate(now: number): number {
    while (this.#arrivals.length && this.#arrivals[0]!.at <= now - WINDOW_MS) this.#arrivals.shift()
    return this.#arrivals.reduce((sum, { n }) => sum + n, 0) / (WINDOW_MS / 1000)
  }

  /** Looks again whether it is too fast. */
  judge(now: number): boolean {
    const rate = this.rate(now)
    if (rate > TOO_FAST) this.isTooFast = true
    else if (rate < SLOW) this.isTooFast = false
    return this.isTooFast
  }

  clear(): void {
    this.#arrivals = []
    this.isTooFast = false
  }
}
