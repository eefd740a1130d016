// How often one identity may ask for a certificate: a bucket of tokens per identity. Asked by sign-certificate.ts after authentication, so
// that nobody can use up another's. Invariant: memory is bounded; what is forgotten is the bucket that was used longest ago.
import type { Clock } from '../base/clock.ts'

export interface RateLimitOptions {
  readonly clock: Clock
  readonly perSecond?: number
  /** All replicas of a workload have one identity and may start at once. */
  readonly burst?: number
  readonly maxIdentities?: number
}

/** A workload asks twice a day; a thousand replicas that start together fit in, a caller that loops does not. */
export const CERTIFICATES_PER_SECOND = 50
export const CERTIFICATE_BURST = 1000
const MAX_IDENTITIES = 20_000

interface Bucket {
  tokens: number
  atMs: number
}

export interface RateLimit {
  /** 0 when it may ask now (and has); else how long to wait, milliseconds. */
  take(identity: string): number
  readonly remembered: number
}

export function createRateLimit(options: RateLimitOptions): RateLimit {
  const { clock, perSecond = CERTIFICATES_PER_SECOND, burst = CERTIFICATE_BURST, maxIdentities = MAX_IDENTITIES } = options
  /** Oldest use first. */
  const buckets = new Map<string, Bucket>()
  return {
    take(identity) {
      const nowMs = clock.monotonicMs()
      const bucket = buckets.get(identity) ?? { tokens: burst, atMs: nowMs }
      buckets.delete(identity)
      buckets.set(identity, bucket)
      if (buckets.size > maxIdentities) for (const [oldest] of buckets.entries().take(1)) buckets.delete(oldest)
      bucket.tokens = Math.min(burst, bucket.tokens + ((nowMs - bucket.atMs) * perSecond) / 1000)
      bucket.atMs = nowMs
      if (bucket.tokens < 1) return Math.ceil(((1 - bucket.tokens) / perSecond) * 1000)
      bucket.tokens -= 1
      return 0
    },
    get remembered() {
      return buckets.size
    },
  }
}
