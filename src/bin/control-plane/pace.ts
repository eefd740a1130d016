// When the next round may begin: a stream of changes may not take more than a share of the processor, so the more a round costs, this
// process and all proxies included, the longer the next one gathers. Used by mesh-loop.ts. Pure.
// Invariant: a change after a quiet time never waits.

/** A round is followed by a pause this many times as long as its cost (of which what clients answer is not counted, about as much again), */
const PACE = 6
/** but never longer, or a large mesh would hear of its endpoints too late. */
const MAX_PAUSE_MS = 2000

export function pauseMs(costMs: number, sinceRoundMs: number): number {
  return Math.max(0, Math.min(costMs * PACE, MAX_PAUSE_MS) - sinceRoundMs)
}
