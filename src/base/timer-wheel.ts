// Coarse deadlines for the hot path. A setTimeout per request costs about a microsecond and an object; here a deadline is one
// Set insertion, and one timer serves all of them: it sleeps until the earliest tick that has a deadline, so that an idle process is not
// woken for nothing. A deadline fires up to one tick late, never early.
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
  /** The slot that the timer waits for; while actions run, none is early enough to arm it anew. */
  #armedFor = Number.POSITIVE_INFINITY
  #postponed = false

  /** @param tickMs the resolution; deadlines are rounded up to it. */
  constructor(clock: Clock, tickMs = 20) {
    this.#clock = clock
    this.#tickMs = tickMs
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
    if (slot < this.#armedFor) this.#arm(slot)
    return deadline
  }

  cancel(deadline: Deadline): void {
    const bucket = this.#slots.get(deadline.slot)
    if (bucket === undefined) return
    bucket.delete(deadline)
    if (bucket.size === 0) this.#slots.delete(deadline.slot)
  }

  #arm(slot: number): void {
    this.#timer?.cancel()
    this.#armedFor = slot
    const inMs = Math.max(0, Math.ceil(slot * this.#tickMs - this.#clock.monotonicMs()))
    // Background: a deadline alone must not keep a drained process alive; the sockets it watches do that.
    this.#timer = this.#clock.after(inMs, () => this.#tick(), { background: true })
  }

  #tick(): void {
    this.#timer = undefined
    if (!this.#postponed && this.#clock.monotonicMs() - this.#armedFor * this.#tickMs >= STALL_MS) {
      this.#postponed = true
      this.#timer = this.#clock.after(0, () => this.#tick(), { background: true })
      return
    }
    this.#postponed = false
    this.#armedFor = Number.NEGATIVE_INFINITY
    const now = Math.floor(this.#clock.monotonicMs() / this.#tickMs)
    const due = [...this.#slots.keys()].filter((slot) => slot <= now).sort((a, b) => a - b)
    try {
      for (const slot of due) this.#fire(slot)
    } finally {
      // A mistake in one action costs the others nothing: what has not fired is armed again.
      this.#armedFor = Number.POSITIVE_INFINITY
      if (this.#slots.size > 0) this.#arm(this.#earliest())
    }
  }

  /** An action may cancel another of the same tick, and may set new ones. */
  #fire(slot: number): void {
    const bucket = this.#slots.get(slot)
    if (bucket === undefined) return
    for (const deadline of [...bucket]) if (bucket.delete(deadline)) deadline.action()
    if (bucket.size === 0) this.#slots.delete(slot)
  }

  #earliest(): number {
    let earliest = Number.POSITIVE_INFINITY
    for (const slot of this.#slots.keys()) if (slot < earliest) earliest = slot
    return earliest
  }
}
