// A token bucket: so many at once, so many per second in the long run. Used by the writers of Events and status.
import type { Clock } from '../base/clock.ts'

export interface Rate {
  readonly perSecond: number
  readonly burst: number
}

export class TokenBucket {
  readonly #rate: Rate
  readonly #clock: Clock
  #tokens: number
  #filledMs: number

  constructor(rate: Rate, clock: Clock) {
    this.#rate = rate
    this.#clock = clock
    this.#tokens = rate.burst
    this.#filledMs = clock.monotonicMs()
  }

  /** Takes one if there is one. */
  take(): boolean {
    this.#fill()
    if (this.#tokens < 1) return false
    this.#tokens -= 1
    return true
  }

  /** How long until there is one; 0: now. */
  get waitMs(): number {
    this.#fill()
    return this.#tokens >= 1 ? 0 : Math.ceil(((1 - this.#tokens) * 1000) / this.#rate.perSecond)
  }

  /** As good as new: nothing is lost by forgetting it. */
  get full(): boolean {
    this.#fill()
    return this.#tokens === this.#rate.burst
  }

  #fill(): void {
    const nowMs = this.#clock.monotonicMs()
    this.#tokens = Math.min(this.#rate.burst, this.#tokens + ((nowMs - this.#filledMs) * this.#rate.perSecond) / 1000)
    this.#filledMs = nowMs
  }
}
