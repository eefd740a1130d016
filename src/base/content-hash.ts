// Identity by content: equal content has an equal version, and an unchanged resource is never sent again.
import { hash } from 'node:crypto'

/** 16 hexadecimal digits of SHA-256: versions and cache keys, not security. */
export function contentHash(content: string | Uint8Array): string {
  return hash('sha256', content, 'hex').slice(0, 16)
}

/** JSON with sorted keys: equal values give equal text, whatever the order in which they were built. Undefined fields vanish. */
export function canonicalJson(value: unknown): string {
  return JSON.stringify(inOrder(value))
}

/** A copy, because JSON.stringify with a replacer takes a third longer. */
function inOrder(value: unknown): unknown {
  if (typeof value !== 'object' || value === null) return value
  if (Array.isArray(value)) return value.map(inOrder)
  return Object.fromEntries(
    Object.entries(value)
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([key, inner]) => [key, inOrder(inner)]),
  )
}
