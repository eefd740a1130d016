// The clocks of an exchange: the route's, the attempt's, the wait before a retry, and the longest that it may take in all. All on the shared wheel; most exchanges
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
  #stream: Deadline | undefined

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

  /** From the request's head on, whatever happens. */
  startStream(durationMs: number | undefined, action: () => void): void {
    if (durationMs !== undefined) this.#stream = this.#wheel.after(durationMs, action)
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
    if (this.#stream !== undefined) this.#wheel.cancel(this.#stream)
    this.#route = this.#retry = this.#stream = undefined
  }
}
