// Rapid resets: a client that opens streams and takes them back at once makes the proxy and its upstreams work for nothing.
// Used by downstream-session.ts; figures are Envoy's (overload.premature_reset_*).
// Invariant: who waits for answers, however many it gives up on after a second, is never taken for an attacker.

const JUDGED_FROM_STREAMS = 500
const PREMATURE_MS = 1000

export class ResetGuard {
  #ended = 0
  #premature = 0

  /** False: more than half of its streams were taken back within a second. */
  onStreamEnd(resetByClient: boolean, ageMs: number): boolean {
    this.#ended++
    if (resetByClient && ageMs < PREMATURE_MS) this.#premature++
    return this.#ended < JUDGED_FROM_STREAMS || this.#premature * 2 <= this.#ended
  }
}
