// How long a client's HTTP/1.1 connection may wait: idle between requests, still inside one, for a head, for a whole request, for its life.
// Made by downstream-connection.ts, which is told when one has passed.
// Invariant: one idle deadline per connection, not per request: when it fires it looks whether anything has moved since.
import type { Clock } from '../../base/clock.ts'
import type { Deadline, TimerWheel } from '../../base/timer-wheel.ts'
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import type { FailureKind } from '../rescue.ts'

/** Whose deadlines they are. */
export interface DeadlineOwner {
  /** A request is being served. */
  readonly isServing: boolean
  onQuiet(): void
  onRequestTimeout(failure: FailureKind): void
  onOutlived(): void
}

export class DownstreamDeadlines {
  /** Octets of a message came or went. */
  lastMoveMs: number
  readonly #clock: Clock
  readonly #wheel: TimerWheel
  readonly #owner: DeadlineOwner
  #manager: HttpConnectionManager
  #routeIdleMs: number | undefined
  #idle: Deadline | undefined
  #life: Deadline | undefined
  #request: Deadline | undefined
  #headBeganMs = 0

  constructor(times: { readonly clock: Clock; readonly wheel: TimerWheel }, manager: HttpConnectionManager, owner: DeadlineOwner) {
    this.#clock = times.clock
    this.#wheel = times.wheel
    this.#owner = owner
    this.#manager = manager
    this.lastMoveMs = times.clock.monotonicMs()
    this.#watchIdle()
    const durationMs = manager.maxConnectionDurationMs
    if (durationMs !== undefined) this.#life = times.wheel.after(durationMs, () => owner.onOutlived())
  }

  moved(): void {
    this.lastMoveMs = this.#clock.monotonicMs()
  }

  /** The next requests are served by this one. */
  rebind(manager: HttpConnectionManager): void {
    this.#manager = manager
  }

  /** The request under way may be quiet for so long; undefined: as long as the connection manager says. */
  limitIdle(routeIdleMs: number): void {
    this.#routeIdleMs = routeIdleMs
    if (this.#idle !== undefined) this.#wheel.cancel(this.#idle)
    this.#watchIdle()
  }

  /** The exchange is over. */
  exchangeDone(): void {
    this.#routeIdleMs = undefined
  }

  /** Its first octets are here. Envoy: the time for the head, the time for the whole request, and the stream's idle time all begin with them;
   *  of the last, what comes of the head does not begin anew. */
  headBegan(): void {
    if (this.#request !== undefined) return
    this.#headBeganMs = this.#clock.monotonicMs()
    const limitMs = Math.min(positive(this.#manager.requestHeadersTimeoutMs), positive(this.#manager.requestTimeoutMs))
    const idleMs = positive(this.#manager.streamIdleTimeoutMs)
    this.#awaitRequest(Math.min(limitMs, idleMs), idleMs < limitMs ? 'stream-idle-timeout' : 'request-timeout')
  }

  /** The head is whole; `bodyFollows`: the rest has what is left of the time. */
  headDone(bodyFollows: boolean): void {
    const headTookMs = this.#request === undefined ? 0 : this.#clock.monotonicMs() - this.#headBeganMs
    this.requestDone()
    if (bodyFollows) this.#awaitRequest(Math.max(1, positive(this.#manager.requestTimeoutMs) - headTookMs), 'request-timeout')
  }

  requestDone(): void {
    if (this.#request === undefined) return
    this.#wheel.cancel(this.#request)
    this.#request = undefined
  }

  /** The connection ends: `onPassed` is called if it has not done so by then. */
  linger(lingerMs: number, onPassed: () => void): void {
    this.clear()
    this.#idle = this.#wheel.after(lingerMs, onPassed)
  }

  clear(): void {
    this.requestDone()
    if (this.#idle !== undefined) this.#wheel.cancel(this.#idle)
    if (this.#life !== undefined) this.#wheel.cancel(this.#life)
    this.#idle = this.#life = undefined
  }

  #watchIdle(): void {
    this.#idle = undefined
    const { idleTimeoutMs, streamIdleTimeoutMs } = this.#manager
    const streamIdleMs = this.#routeIdleMs ?? streamIdleTimeoutMs
    const limitMs = this.#owner.isServing ? streamIdleMs : idleTimeoutMs
    const shortestMs = Math.min(positive(idleTimeoutMs), positive(streamIdleMs))
    if (shortestMs === Number.POSITIVE_INFINITY) return
    const quietMs = this.#clock.monotonicMs() - this.lastMoveMs
    if (limitMs !== undefined && limitMs > 0 && quietMs >= limitMs) return this.#owner.onQuiet()
    const leftMs = Math.max(1, Math.min(shortestMs, positive(limitMs) - quietMs))
    this.#idle = this.#wheel.after(leftMs, () => this.#watchIdle())
  }

  #awaitRequest(timeoutMs: number, failure: FailureKind): void {
    if (timeoutMs === Number.POSITIVE_INFINITY) return
    this.#request = this.#wheel.after(timeoutMs, () => {
      this.#request = undefined
      this.#owner.onRequestTimeout(failure)
    })
  }
}

function positive(ms: number | undefined): number {
  return ms === undefined || ms <= 0 ? Number.POSITIVE_INFINITY : ms
}
