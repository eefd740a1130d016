// Looks a few times a second how much memory the process holds, and sets the level of overload. Made by bin/proxy-overload.ts.
// Nothing of it is on the hot path. Invariant: every change of level is one log line and one count.
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { MetricRegistry } from '../telemetry/metrics.ts'
import { decideOverload, type MemoryReading, memoryPressure, OVERLOAD_LEVELS } from './decide-overload.ts'
import type { OverloadState } from './overload-state.ts'

/** Memory grows by connections and bodies: at 1 GB/s of them a quarter of a second is 4 % of a large limit; more often buys nothing. */
const LOOK_EVERY_MS = 250
/** While it lasts, room is made this often: a collection costs tens of milliseconds. */
const SHRINK_EVERY_MS = 2000
const GROWN = 1.02

export interface MemoryGuardOptions {
  readonly state: OverloadState
  /** The container's or the user's; undefined: only V8's own limit counts. */
  readonly limitBytes: number | undefined
  readonly read: () => MemoryReading
  /** Closes what is idle and collects garbage. */
  readonly shrink: () => void
  readonly clock: Clock
  readonly log: Logger
}

export class MemoryGuard {
  readonly #options: MemoryGuardOptions
  readonly #changes = new Map<string, number>()
  #residentBytes = 0
  #pressure = 0
  #shrunkBytes = 0
  #shrunkMs = Number.NEGATIVE_INFINITY
  #timer: Timer | undefined

  constructor(options: MemoryGuardOptions) {
    this.#options = options
  }

  start(): void {
    this.#timer = this.#options.clock.after(LOOK_EVERY_MS, () => this.#look(), { background: true })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  register(registry: MetricRegistry): void {
    const { limitBytes, state } = this.#options
    registry.observe('gauge', 'lateen_proxy_memory_bytes', 'Resident memory of the process.', () => [{ value: this.#residentBytes }])
    registry.observe('gauge', 'lateen_proxy_memory_limit_bytes', 'Limit that overload is judged by; 0: none.', () => [
      { value: limitBytes ?? 0 },
    ])
    registry.observe('gauge', 'lateen_proxy_overload_pressure', 'Share of the limit in use.', () => [{ value: this.#pressure }])
    registry.observe('gauge', 'lateen_proxy_overload_level', '0 normal, 1 shrinking, 2 refusing connections, 3 shedding requests.', () => [
      { value: state.level },
    ])
    registry.observe('counter', 'lateen_proxy_overload_changes_total', 'Changes of the level, by the new one.', () =>
      [...this.#changes].map(([level, value]) => ({ labels: { level }, value })),
    )
  }

  #look(): void {
    const { state, read, limitBytes, clock, shrink } = this.#options
    const reading = read()
    this.#residentBytes = reading.residentBytes
    this.#pressure = memoryPressure(reading, limitBytes)
    const level = decideOverload(this.#pressure, state.level)
    // What made it fall has left garbage behind, and may be all that keeps it from the next lower one.
    if (level < state.level) this.#shrunkBytes = 0
    if (level !== state.level) this.#change(level, reading)
    // What the allocator keeps for later does not go away by asking again: below the next level only growth is a reason to.
    const wants = state.refusesConnections || (state.shrinks && reading.residentBytes > this.#shrunkBytes * GROWN)
    if (!state.shrinks) this.#shrunkBytes = 0
    if (wants && clock.monotonicMs() - this.#shrunkMs >= SHRINK_EVERY_MS) {
      this.#shrunkMs = clock.monotonicMs()
      this.#shrunkBytes = reading.residentBytes
      shrink()
    }
    this.start()
  }

  #change(level: number, { residentBytes, heapBytes }: MemoryReading): void {
    const { state, log, limitBytes } = this.#options
    const rises = level > state.level
    state.level = level
    const name = OVERLOAD_LEVELS[level] ?? ''
    this.#changes.set(name, (this.#changes.get(name) ?? 0) + 1)
    const facts = { state: name, residentMb: megabytes(residentBytes), heapMb: megabytes(heapBytes), limitMb: megabytes(limitBytes ?? 0) }
    if (rises) this.#options.log.warn('memory is near its limit; raise the limit of the container, or find what holds it', facts)
    else log.info('memory is below its limit again', facts)
  }
}

function megabytes(bytes: number): number {
  return Math.round(bytes / (1024 * 1024))
}
