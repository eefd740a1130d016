// Looks every second whether the process has grown since memory was last given back, and gives it back. Made by bin/proxy-overload.ts.
// A start, and the first requests while V8 compiles what they run, leave tens of megabytes behind that nobody uses again: the compilers'
// zones and freed buffers, which the allocator keeps, and pages of Node's own program. The levels of overload come only near a limit.
// V8's own garbage is left to V8: a full collection at this point takes 30 ms and frees nothing that its next one would not.
// Invariant: what is given back and taken again at once does not count as growth, so that a busy proxy does it rarely.
import type { Clock, Timer } from '../../base/clock.ts'
import type { MetricRegistry } from '../telemetry/metrics.ts'

const FIRST_LOOK_MS = 2000
const LOOK_EVERY_MS = 1000
/** It costs about 10 ms of processor time, half of it beside the event loop: a thousandth at most. */
const REST_MS = 10_000
/** A sidecar of a small mesh is below it when it has read its configuration, and starts without the 20 ms that this costs. */
const LARGE_BYTES = 80 * 1024 * 1024
const GROWN_BYTES = 8 * 1024 * 1024
const GROWN_SHARE = 0.1

export interface MemoryReturnOptions {
  readonly residentBytes: () => number
  readonly giveBack: () => Promise<void>
  readonly clock: Clock
}

export class MemoryReturn {
  readonly #options: MemoryReturnOptions
  /** After the last time, when what is in use was back. */
  #settledBytes = 0
  #isSettling = false
  #lastMs = Number.NEGATIVE_INFINITY
  #times = 0
  #timer: Timer | undefined

  constructor(options: MemoryReturnOptions) {
    this.#options = options
  }

  start(): void {
    this.#lookIn(FIRST_LOOK_MS)
  }

  /** A large configuration was read: what that has left behind goes before anything is served, and does not count as the first time. */
  async afterLoading(): Promise<void> {
    const { residentBytes, giveBack } = this.#options
    if (residentBytes() >= LARGE_BYTES) await giveBack()
  }

  stop(): void {
    this.#timer?.cancel()
  }

  register(registry: MetricRegistry): void {
    registry.observe('counter', 'lateen_proxy_memory_returns_total', 'Times that unused memory was given back to the system.', () => [
      { value: this.#times },
    ])
  }

  #lookIn(delayMs: number): void {
    this.#timer = this.#options.clock.after(delayMs, () => this.#look(), { background: true })
  }

  #look(): void {
    const { residentBytes, clock, giveBack } = this.#options
    const resident = residentBytes()
    if (this.#isSettling) this.#settledBytes = resident
    this.#isSettling = false
    this.#lookIn(LOOK_EVERY_MS)
    if (!hasGrown(resident, this.#settledBytes) || clock.monotonicMs() - this.#lastMs < REST_MS) return
    this.#times++
    this.#lastMs = clock.monotonicMs()
    this.#isSettling = true
    void giveBack()
  }
}

function hasGrown(residentBytes: number, settledBytes: number): boolean {
  return residentBytes - settledBytes >= Math.max(GROWN_BYTES, settledBytes * GROWN_SHARE)
}
