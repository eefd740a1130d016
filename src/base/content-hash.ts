// Identity by content: equal content has an equal version, and an unchanged resource is never sent again.
import { createHash } from 'node:crypto'

/** 16 hexadecimal digits of SHA-256: versions and cache keys, not security. */
export function contentHash(content: string | Uint8Array): string {
  return createHash('sha256').update(content).digest('hex').slice(0, 16)
}

/** JSON with sorted keys: equal values give equal text, whatever the order in which they were built. Undefined fields vanish. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(value, (_key, inner: unknown) =>
    isPlainObject(inner) ? Object.fromEntries(Object.entries(inner).sort(([a], [b]) => (a < b ? -1 : 1))) : inner,
  )
}

function isPlainObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
