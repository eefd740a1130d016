// The content hash of a model object, computed once per object: the snapshot keeps unchanged objects, so most are never hashed again.
import { canonicalJson, contentHash } from '../../base/content-hash.ts'

const keys = new WeakMap<object, string>()

export function objectKey(object: object): string {
  const known = keys.get(object)
  if (known !== undefined) return known
  const key = contentHash(canonicalJson(object))
  keys.set(object, key)
  return key
}

/** One hash of many, in order. */
export function joinedKey(parts: Iterable<string>): string {
  return contentHash([...parts].join('\n'))
}
