// Gathers changes: acts after a quiet time, and after a ceiling at the latest, however steadily changes keep coming. Used by the
// composition root between sources and compile. Istio's figures: 100 ms (PILOT_DEBOUNCE_AFTER), 10 s (PILOT_DEBOUNCE_MAX).
// Invariant: after the last `changed()` the action runs at least once, and never twice at the same time.
import type { Clock, Timer } from '../../base/clock.ts'

export interface DebounceOptions {
  readonly quietMs: number
  readonly ceilingMs: number
}

export const DEFAULT_DEBOUNCE: DebounceOptions = { quietMs: 100, ceilingMs: 10_000 }

export interface Debounced {
  changed(): void
  /** Forgets what waits; a running action goes on. */
  stop(): void
}

/** @param action must not throw; while its promise is pending, changes wait for the next round. */
export function debounce(clock: Clock, action: () => Promise<void> | void, options: DebounceOptions = DEFAULT_DEBOUNCE): Debounced {
  let timer: Timer | undefined
  let firstMs: number | undefined
  let running = false
  let stopped = false

  const arm = (): void => {
    timer?.cancel()
    if (firstMs === undefined || running || stopped) return
    const ceilingInMs = firstMs + options.ceilingMs - clock.monotonicMs()
    timer = clock.after(Math.max(0, Math.min(options.quietMs, ceilingInMs)), run)
  }
  const run = (): void => {
    firstMs = undefined
    timer = undefined
    const done = action()
    if (done === undefined) return
    running = true
    const finished = (): void => {
      running = false
      arm()
    }
    done.then(finished, finished)
  }
  return {
    changed() {
      firstMs ??= clock.monotonicMs()
      arm()
    },
    stop() {
      stopped = true
      timer?.cancel()
    },
  }
}
