// Coarse deadlines for the hot path. A setTimeout per request costs about a microsecond and an object; here a deadline is one
// Set insertion, and one timer per tick serves all of them. A deadline fires up to one tick late, never early.
import type { Clock, Timer } from './clock.ts'

export interface Deadline {
  readonly slot: number
  readonly action: () => void
}

/** The loop stood still for so long: what peers sent meanwhile is read before it is said that they sent nothing. Timers run before
 *  sockets are read, so without this a pause of the process would time out requests whose answers have long been there. */
const STALL_MS = 100

export class TimerWheel {
  readonly #clock: Clock
  readonly #tickMs: number
  readonly #slots = new Map<number, Set<Deadline>>()
  #timer: Timer | undefined
  /** All slots up to this one have been looked at. Moves with ticks alone: what falls due while actions run is the next tick's. */
  #lastSlot: number
  #dueMs = 0
  #postponed = false

  /** @param tickMs the resolution; deadlines are rounded up to it. */
  constructor(clock: Clock, tickMs = 20) {
    this.#clock = clock
    this.#tickMs = tickMs
    this.#lastSlot = Math.floor(clock.monotonicMs() / tickMs)
  }

  get size(): number {
    let size = 0
    for (const slot of this.#slots.values()) size += slot.size
    return size
  }

  after(delayMs: number, action: () => void): Deadline {
    const slot = Math.ceil((this.#clock.monotonicMs() + delayMs) / this.#tickMs)
    const deadline = { slot, action }
    const bucket = this.#slots.get(slot)
    if (bucket === undefined) this.#slots.set(slot, new Set([deadline]))
    else bucket.add(deadline)
    if (this.#timer === undefined) this.#arm()
    return deadline
  }

  cancel(deadline: Deadline): void {
    const bucket = this.#slots.get(deadline.slot)
    if (bucket === undefined) return
    bucket.delete(deadline)
    if (bucket.size === 0) this.#slots.delete(deadline.slot)
  }

  #arm(): void {
    this.#dueMs = this.#clock.monotonicMs() + this.#tickMs
    // Background: a deadline alone must not keep a drained process alive; the sockets it watches do that.
    this.#timer = this.#clock.after(this.#tickMs, () => this.#tick(), { background: true })
  }

  #tick(): void {
    this.#timer = undefined
    if (!this.#postponed && this.#clock.monotonicMs() - this.#dueMs >= STALL_MS) {
      this.#postponed = true
      this.#timer = this.#clock.after(0, () => this.#tick(), { background: true })
      return
    }
    this.#postponed = false
    const now = Math.floor(this.#clock.monotonicMs() / this.#tickMs)
    // After a long stall most slots between are empty: walk whichever is shorter, the gap or the slots in use.
    const due =
      now - this.#lastSlot > this.#slots.size
        ? [...this.#slots.keys()].filter((slot) => slot <= now).sort((a, b) => a - b)
        : Array.from({ length: now - this.#lastSlot }, (_, index) => this.#lastSlot + 1 + index)
    this.#lastSlot = now
    for (const slot of due) {
      const bucket = this.#slots.get(slot)
      if (bucket === undefined) continue
      this.#slots.delete(slot)
      for (const deadline of bucket) deadline.action()
    }
    if (this.#slots.size > 0 && this.#timer === undefined) this.#arm()
  }
}
