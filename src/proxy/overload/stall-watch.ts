// Notices that the event loop stood still: the process was stopped, starved of its processor, or busy with one thing for too long.
// Made by bin/proxy-overload.ts. Nobody can be served meanwhile; afterwards a person must be able to see that it was so.
import type { Clock, Timer } from '../../base/clock.ts'
import type { Logger } from '../../base/log.ts'
import type { MetricRegistry } from '../telemetry/metrics.ts'

const LOOK_EVERY_MS = 250
/** A full collection of a large heap stays below this. */
const STALL_MS = 500

export class StallWatch {
  readonly #clock: Clock
  readonly #log: Logger
  #timer: Timer | undefined
  #stalls = 0
  #stalledMs = 0

  constructor(clock: Clock, log: Logger) {
    this.#clock = clock
    this.#log = log
  }

  start(): void {
    const dueMs = this.#clock.monotonicMs() + LOOK_EVERY_MS
    this.#timer = this.#clock.after(LOOK_EVERY_MS, () => this.#look(dueMs), { background: true })
  }

  stop(): void {
    this.#timer?.cancel()
  }

  register(registry: MetricRegistry): void {
    registry.observe(
      'counter',
      'lateen_proxy_loop_stalls_total',
      'Times that the event loop stood still for half a second or more.',
      () => [{ value: this.#stalls }],
    )
    registry.observe('counter', 'lateen_proxy_loop_stalled_seconds_total', 'How long it stood still in all of them.', () => [
      { value: this.#stalledMs / 1000 },
    ])
  }

  #look(dueMs: number): void {
    const lateMs = this.#clock.monotonicMs() - dueMs
    if (lateMs >= STALL_MS) {
      this.#stalls++
      this.#stalledMs += lateMs
      this.#log.warn('the event loop stood still; every request waited as long', { ms: Math.round(lateMs) })
    }
    this.start()
  }
}
