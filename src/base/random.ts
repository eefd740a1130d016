// Chance, injected. Balancers and jitter take a Random, so that a test with a seed sees the same choices every time.

/** A number in [0, 1). */
export type Random = () => number

/** Not for secrets: those come from node:crypto. */
export const systemRandom: Random = Math.random

/** Mulberry32: 32 bits of state, passes the tests that a load balancer needs; same seed, same sequence. */
export function seededRandom(seed: number): Random {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}
