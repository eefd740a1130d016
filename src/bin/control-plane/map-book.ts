// Maps of resources between threads: each is announced once, as its difference from one that the other side has. Used by compile-side.ts
// (announcing) and compile-client.ts (taking). Invariant: what is taken equals what was announced, name by name, in the same order.
import type { EncodedResource, ResourceMap } from '../../xds/generate/resources.ts'
import type { MapMessage } from './compile-protocol.ts'

export interface Announcer {
  /** The number of a map; announces it first when it is new. @param before what its place was taken by, a good base for the difference. */
  numberOf(map: ResourceMap, before: ResourceMap | undefined): number
  /** Forgets maps that are not among these; their numbers, for the other side to forget. */
  keepOnly(maps: ReadonlySet<ResourceMap>): readonly number[]
}

export function createAnnouncer(announce: (message: MapMessage) => void): Announcer {
  const numbers = new Map<ResourceMap, number>()
  let next = 0
  return {
    numberOf(map, before) {
      const known = numbers.get(map)
      if (known !== undefined) return known
      const number = ++next
      const base = before !== undefined && numbers.has(before) && isLike(before, map) ? before : undefined
      announce(differenceOf(map, number, base, base === undefined ? undefined : numbers.get(base)))
      numbers.set(map, number)
      return number
    },
    keepOnly(maps) {
      const dropped = [...numbers].filter(([map]) => !maps.has(map))
      for (const [map] of dropped) numbers.delete(map)
      return dropped.map(([, number]) => number)
    },
  }
}

/** A base that has little in common with a map would be copied and emptied. */
function isLike(before: ResourceMap, map: ResourceMap): boolean {
  let common = 0
  for (const name of map.keys()) if (before.has(name)) common++
  return common * 2 >= before.size
}

function differenceOf(map: ResourceMap, number: number, base: ResourceMap | undefined, baseNumber: number | undefined): MapMessage {
  const changed = [...map].filter(([name, { version }]) => base?.get(name)?.version !== version)
  const removed = base === undefined ? [] : [...base.keys()].filter((name) => !map.has(name))
  const bytes = new Uint8Array(changed.reduce((sum, [, resource]) => sum + resource.bytes.length, 0))
  let at = 0
  for (const [, resource] of changed) {
    bytes.set(resource.bytes, at)
    at += resource.bytes.length
  }
  return {
    kind: 'map',
    map: number,
    base: baseNumber,
    removed,
    names: changed.map(([name]) => name),
    versions: changed.map(([, { version }]) => version),
    lengths: changed.map(([, resource]) => resource.bytes.length),
    bytes,
  }
}

export function takeMap(message: MapMessage, base: ResourceMap | undefined): ResourceMap {
  const map = new Map<string, EncodedResource>(base)
  for (const name of message.removed) map.delete(name)
  let at = 0
  let inOrder = true
  for (const [index, name] of message.names.entries()) {
    const length = message.lengths[index] ?? 0
    inOrder &&= base === undefined || map.has(name)
    map.set(name, { version: message.versions[index] ?? '', bytes: message.bytes.subarray(at, at + length) })
    at += length
  }
  // A name that is new stands at the end, where it does not belong.
  return inOrder ? map : new Map([...map].sort(([a], [b]) => (a < b ? -1 : 1)))
}
