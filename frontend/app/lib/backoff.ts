/** Delays between attempts to connect: doubling from `first` to `most` milliseconds, with jitter, for ever. */
export function backoffDelay(attempt: number, random: () => number = Math.random, first = 250, most = 10_000): number {
  const ceiling = Math.min(most, first * 2 ** Math.min(attempt, 20))
  return Math.round(ceiling * (0.5 + random() * 0.5))
}
