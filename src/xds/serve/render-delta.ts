// The difference between what a client holds and what it should hold, and its bytes, rendered once for all clients in the same
// position: both maps are shared objects, so the pair of them is the cache key, and a cache entry dies with either.
// Used by delta-subscription.ts. Invariant: applying a rendering to `held` gives `heldAfter`, whose entries are those of the target
// (and, when removals are kept back, those that wait for removal).
import type { EncodedResource } from '../generate/resources.ts'
import { encodeDeltaBody } from './wire.ts'

/** Name -> version that a client has. A name that it asked for and knows nothing of has the version ''. */
export type Held = ReadonlyMap<string, { readonly version: string }>
export type Target = ReadonlyMap<string, EncodedResource>

export const HOLDS_NOTHING: Held = new Map()

export interface Difference {
  readonly changed: readonly (readonly [name: string, resource: EncodedResource])[]
  readonly removed: readonly string[]
}

/** A part of a response: bodies of several, and the fields that every response has once, make a message (wire.ts). */
export interface Rendered {
  readonly id: string
  /** Empty: there is nothing to say. */
  readonly chunks: readonly Uint8Array[]
  /** Names of everything it changes or removes. */
  readonly touched: readonly string[]
  readonly heldAfter: Held
}

export interface DeltaRenderer {
  difference(held: Held, target: Target): Difference
  /** @param keepRemoved leaves removals out: they follow when nothing refers to them any more. */
  render(typeUrl: string, held: Held, target: Target, keepRemoved: boolean): Rendered
  /** Content hash of a whole map: equal versions mean equal contents. */
  version(target: Target): string
}

interface CacheEntry {
  readonly difference: Difference
  whole?: Rendered
  withoutRemoved?: Rendered
}

const NO_DIFFERENCE: Difference = { changed: [], removed: [] }

/** @param hash content hash; given, so that this file decides nothing about hashing. */
export function createDeltaRenderer(hash: (content: string) => string): DeltaRenderer {
  const cache = new WeakMap<Held, WeakMap<Target, CacheEntry>>()
  const versions = new WeakMap<Target, string>()
  let ids = 0

  const version = (target: Target): string => {
    const known = versions.get(target)
    if (known !== undefined) return known
    const lines = [...target].map(([name, resource]) => `${name}\t${resource.version}\n`).sort()
    const computed = hash(lines.join(''))
    versions.set(target, computed)
    return computed
  }

  const entryOf = (held: Held, target: Target): CacheEntry => {
    const byTarget = cache.get(held) ?? new WeakMap<Target, CacheEntry>()
    cache.set(held, byTarget)
    const known = byTarget.get(target)
    if (known !== undefined) return known
    const computed = { difference: compare(held, target) }
    byTarget.set(target, computed)
    return computed
  }

  const make = (typeUrl: string, held: Held, target: Target, difference: Difference, keepRemoved: boolean): Rendered => {
    const { changed } = difference
    const removed = keepRemoved ? [] : difference.removed
    return {
      id: (++ids).toString(36),
      chunks: encodeDeltaBody({ typeUrl, changed, removed }),
      touched: [...changed.map(([name]) => name), ...removed],
      heldAfter: keepRemoved && difference.removed.length > 0 ? withKept(held, target, difference.removed) : target,
    }
  }

  return {
    version,
    difference: (held, target) => (held === target ? NO_DIFFERENCE : entryOf(held, target).difference),
    render(typeUrl, held, target, keepRemoved) {
      const entry = entryOf(held, target)
      if (keepRemoved) {
        entry.withoutRemoved ??= make(typeUrl, held, target, entry.difference, true)
        return entry.withoutRemoved
      }
      entry.whole ??= make(typeUrl, held, target, entry.difference, false)
      return entry.whole
    },
  }
}

function compare(held: Held, target: Target): Difference {
  if (held === target) return NO_DIFFERENCE
  const changed: (readonly [name: string, resource: EncodedResource])[] = []
  let known = 0
  // Thousands of names, and for thousands of clients after a restart: nothing is made for those that are the same.
  target.forEach((resource, name) => {
    const before = held.get(name)
    if (before !== undefined) known++
    if (before?.version !== resource.version) changed.push([name, resource])
  })
  return { changed, removed: known === held.size ? [] : [...held.keys()].filter((name) => !target.has(name)) }
}

function withKept(held: Held, target: Target, removed: readonly string[]): Held {
  const kept = new Map<string, { readonly version: string }>(target)
  for (const name of removed) kept.set(name, held.get(name) ?? { version: '' })
  return kept
}
