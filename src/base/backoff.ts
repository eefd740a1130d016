// Exponential back-off with full jitter, so that a thousand proxies do not come back in the same millisecond.
import type { Random } from './random.ts'

export interface BackoffOptions {
  readonly baseMs: number
  readonly maxMs: number
}

/** The wait before attempt number `attempt` (0 = the first retry): uniform in [half, whole] of base * 2^attempt, capped. */
export function backoffMs(options: BackoffOptions, attempt: number, random: Random): number {
  const ceilingMs = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 30))
  return ceilingMs / 2 + (random() * ceilingMs) / 2
}
