// A clock that moves only when a test says so. Timers fire in order of their time, then of their making.
import type { Clock, Timer } from './clock.ts'

interface Pending {
  readonly atMs: number
  readonly order: number
  readonly action: () => void
}

export class FakeClock implements Clock {
  #elapsedMs = 0
  #order = 0
  #epochMs: number
  readonly #pending = new Set<Pending>()

  constructor(epochMs = Date.UTC(2026, 0, 1)) {
    this.#epochMs = epochMs
  }

  nowMs(): number {
    return this.#epochMs + this.#elapsedMs
  }

  monotonicMs(): number {
    return this.#elapsedMs
  }

  after(delayMs: number, action: () => void): Timer {
    const pending = { atMs: this.#elapsedMs + Math.max(delayMs, 0), order: this.#order++, action }
    this.#pending.add(pending)
    return { cancel: () => void this.#pending.delete(pending) }
  }

  /** Somebody sets the wall clock, forward or back; monotonic time and timers do not notice. */
  jump(byMs: number): void {
    this.#epochMs += byMs
  }

  /** How many timers wait: a test that expects none can say so. */
  get pendingTimers(): number {
    return this.#pending.size
  }

  /** Moves time forward, running every timer that falls due, in order; timers made on the way included. */
  advance(byMs: number): void {
    const untilMs = this.#elapsedMs + byMs
    for (;;) {
      const next = [...this.#pending].filter((timer) => timer.atMs <= untilMs).sort((a, b) => a.atMs - b.atMs || a.order - b.order)[0]
      if (next === undefined) break
      this.#pending.delete(next)
      this.#elapsedMs = Math.max(this.#elapsedMs, next.atMs)
      next.action()
    }
    this.#elapsedMs = untilMs
  }
}
