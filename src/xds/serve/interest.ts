// Which names a client has asked for, and what follows from them, each made once for all clients that ask for the same: thousands of
// proxies of one scope ask for the same thousand endpoints. Used by delta-subscription.ts.
// Invariant: values are immutable; equal questions about the same object are answered with the same object, so that it can be a cache key.
import { tableOfVirtualHost } from '../../envoy/names.ts'
import { NO_RESOURCES, type ResourceMap, type ResourceParts } from '../generate/resources.ts'
import type { Held } from './render-delta.ts'

export type NameSet = ReadonlySet<string>

export const NO_NAMES: NameSet = new Set()

/** Remembered per object; the oldest goes first. Clients that differ more than this cost memory of their own, nothing else. */
const MAX_REMEMBERED = 64

interface Remembered<V> {
  readonly names: readonly string[]
  readonly value: V
}

/** One memo of a function of an object and a list of names, whatever their order. */
class NamesMemo<K extends object, V> {
  readonly #memo = new WeakMap<K, Map<string, Remembered<V>>>()

  get(from: K, names: readonly string[], variant: string, make: () => V): V {
    const known = this.#memo.get(from) ?? new Map<string, Remembered<V>>()
    this.#memo.set(from, known)
    const key = `${variant} ${fingerprint(names)}`
    const found = known.get(key)
    // The fingerprint is no proof: a client could make names that have another's.
    if (found !== undefined && sameNames(found.names, names)) return found.value
    const value = make()
    known.delete(key)
    known.set(key, { names, value })
    const [oldest] = known.keys()
    if (known.size > MAX_REMEMBERED && oldest !== undefined) known.delete(oldest)
    return value
  }
}

export interface InterestBook {
  /** What a client says that it has when it comes back: after a restart, thousands come back with the same. */
  held(versions: Readonly<Record<string, string>>): Held
  subscribe(names: NameSet, added: readonly string[]): NameSet
  unsubscribe(names: NameSet, removed: readonly string[]): NameSet
  /** What is held after asking: a name that is not held (or asked for again) has version '', so that it is sent, or reported missing. */
  ask(held: Held, names: readonly string[], again: boolean): Held
  forget(held: Held, names: readonly string[], stillWanted: boolean): Held
  /** The resources that have these names; `resources` itself when all have. */
  select(names: NameSet, resources: ResourceMap): ResourceMap
  union(a: ResourceMap, b: ResourceMap): ResourceMap
  /** The virtual hosts of these route tables; the same maps when there are no others. */
  ofTables(tables: NameSet, virtualHosts: ResourceParts): ResourceParts
}

export function createInterestBook(): InterestBook {
  const sets = new NamesMemo<NameSet, NameSet>()
  const helds = new NamesMemo<Held, Held>()
  const unions = new WeakMap<ResourceMap, WeakMap<ResourceMap, ResourceMap>>()
  const selections = new WeakMap<NameSet, WeakMap<ResourceMap, ResourceMap>>()
  const hosts = new WeakMap<NameSet, WeakMap<ResourceMap, ResourceMap>>()
  const ofTables = (tables: NameSet, resources: ResourceMap): ResourceMap => {
    const known = hosts.get(tables) ?? new WeakMap<ResourceMap, ResourceMap>()
    hosts.set(tables, known)
    const found = known.get(resources) ?? filtered(resources, (name) => tables.has(tableOfVirtualHost(name)))
    known.set(resources, found)
    return found
  }
  const initial = new Map<string, WeakRef<Held>>()
  return {
    held(versions) {
      const entries = Object.entries(versions)
      const key = fingerprint(entries.map(([name, version]) => `${name}\t${version}`))
      const known = initial.get(key)?.deref()
      if (known?.size === entries.length && entries.every(([name, version]) => known.get(name)?.version === version)) return known
      const held: Held = new Map(entries.map(([name, version]) => [name, { version }]))
      initial.delete(key)
      initial.set(key, new WeakRef(held))
      const [oldest] = initial.keys()
      if (initial.size > MAX_REMEMBERED && oldest !== undefined) initial.delete(oldest)
      return held
    },
    subscribe: (names, added) => sets.get(names, added, 'add', () => new Set([...names, ...added])),
    unsubscribe: (names, removed) =>
      sets.get(names, removed, 'remove', () => new Set([...names].filter((name) => !removed.includes(name)))),
    ask: (held, names, again) =>
      helds.get(held, names, again ? 'again' : 'ask', () => {
        const after = new Map(held)
        for (const name of names) if (again || !after.has(name)) after.set(name, NOT_HELD)
        return after
      }),
    forget: (held, names, stillWanted) =>
      helds.get(held, names, stillWanted ? 'renew' : 'forget', () => {
        const after = new Map(held)
        for (const name of names) {
          if (stillWanted) after.set(name, NOT_HELD)
          else after.delete(name)
        }
        return after
      }),
    select(names, resources) {
      const known = selections.get(names) ?? new WeakMap<ResourceMap, ResourceMap>()
      selections.set(names, known)
      const selected = known.get(resources) ?? selectionOf(names, resources)
      known.set(resources, selected)
      return selected
    },
    union(a, b) {
      if (b.size === 0) return a
      if (a.size === 0) return b
      const known = unions.get(a) ?? new WeakMap<ResourceMap, ResourceMap>()
      unions.set(a, known)
      const union = known.get(b) ?? new Map([...a, ...b])
      known.set(b, union)
      return union
    },
    ofTables: (tables, { shared, own }) => ({ shared: ofTables(tables, shared), own: ofTables(tables, own) }),
  }
}

const NOT_HELD = { version: '' }

function selectionOf(names: NameSet, resources: ResourceMap): ResourceMap {
  return names.size === 0 ? NO_RESOURCES : filtered(resources, (name) => names.has(name))
}

function filtered(resources: ResourceMap, isWanted: (name: string) => boolean): ResourceMap {
  const selected = [...resources].filter(([name]) => isWanted(name))
  return selected.length === resources.size ? resources : new Map(selected)
}

const fingerprints = new WeakMap<readonly string[], string>()

/** The same for the same names in any order: clients list theirs in the order of their hash tables. Once per list. */
function fingerprint(names: readonly string[]): string {
  const known = fingerprints.get(names) ?? computeFingerprint(names)
  fingerprints.set(names, known)
  return known
}

function computeFingerprint(names: readonly string[]): string {
  let sum = 0
  let product = 1
  for (const name of names) {
    let hash = 0x811c9dc5
    for (let index = 0; index < name.length; index++) hash = Math.imul(hash ^ name.charCodeAt(index), 0x01000193)
    sum = (sum + hash) | 0
    product = Math.imul(product, hash | 1)
  }
  return `${names.length} ${sum} ${product}`
}

function sameNames(a: readonly string[], b: readonly string[]): boolean {
  if (a === b) return true
  if (a.length !== b.length) return false
  if (a.every((name, index) => name === b[index])) return true
  const set = new Set(a)
  return b.every((name) => set.has(name))
}
