// Time, injected. Everything that waits or reads the time takes a Clock, so that tests own time and no test sleeps.
// Only this file touches Date.now, performance.now and setTimeout (test/house/layers.test.ts holds that).

export interface Timer {
  cancel(): void
}

export interface Clock {
  /** Wall clock, milliseconds since the epoch: for certificates, logs and status. */
  nowMs(): number
  /** Monotonic, milliseconds with fractions: for durations and deadlines. */
  monotonicMs(): number
  /** Runs `action` once after `delayMs`. The timer keeps the process alive unless `background` is set. */
  after(delayMs: number, action: () => void, options?: { readonly background?: boolean }): Timer
}

/** Node's timers take a signed 32-bit delay; a longer one would fire at once. */
const MAX_DELAY_MS = 2 ** 31 - 1

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  after(delayMs, action, options) {
    const handle = setTimeout(action, Math.min(Math.max(delayMs, 0), MAX_DELAY_MS))
    if (options?.background === true) handle.unref()
    return { cancel: () => clearTimeout(handle) }
  },
}

/** Resolves after `delayMs` of the clock's time, or at once when the signal aborts. */
export function delay(clock: Clock, delayMs: number, signal?: AbortSignal): Promise<void> {
  return new Promise((resolve) => {
    if (signal?.aborted === true) return resolve()
    const timer = clock.after(delayMs, done)
    signal?.addEventListener('abort', done, { once: true })
    function done(): void {
      timer.cancel()
      signal?.removeEventListener('abort', done)
      resolve()
    }
  })
}
