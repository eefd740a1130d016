// The three clocks of an exchange: the route's, the attempt's, and the wait before a retry. All on the shared wheel; most exchanges
// start none of them. Used by exchange.ts, which clears them when it ends.
import type { Clock } from '../../base/clock.ts'
import type { Deadline, TimerWheel } from '../../base/timer-wheel.ts'

export class ExchangeDeadlines {
  readonly #wheel: TimerWheel
  readonly #clock: Clock
  #route: Deadline | undefined
  #routeEndMs = 0
  #attempt: Deadline | undefined
  #retry: Deadline | undefined

  constructor(wheel: TimerWheel, clock: Clock) {
    this.#wheel = wheel
    this.#clock = clock
  }

  /** What is left of the route's timeout; undefined without one. */
  get remainingMs(): number | undefined {
    return this.#route === undefined ? undefined : this.#routeEndMs - this.#clock.monotonicMs()
  }

  startRoute(timeoutMs: number | undefined, action: () => void): void {
    if (timeoutMs === undefined || timeoutMs <= 0 || this.#route !== undefined) return
    this.#routeEndMs = this.#clock.monotonicMs() + timeoutMs
    this.#route = this.#wheel.after(timeoutMs, action)
  }

  startAttempt(timeoutMs: number | undefined, action: () => void): void {
    if (timeoutMs !== undefined && timeoutMs > 0) this.#attempt = this.#wheel.after(timeoutMs, action)
  }

  endAttempt(): void {
    if (this.#attempt === undefined) return
    this.#wheel.cancel(this.#attempt)
    this.#attempt = undefined
  }

  waitForRetry(afterMs: number, action: () => void): void {
    this.#retry = this.#wheel.after(afterMs, action)
  }

  clear(): void {
    this.endAttempt()
    if (this.#route !== undefined) this.#wheel.cancel(this.#route)
    if (this.#retry !== undefined) this.#wheel.cancel(this.#retry)
    this.#route = this.#retry = undefined
  }
}
