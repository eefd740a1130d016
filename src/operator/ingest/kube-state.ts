// What is wished for, as the rest of the control plane sees it: immutable maps of API objects and one revision number.
// Made by a source (directory, overlay, later Kubernetes); read by operator/compile and `lateen get`.
// Invariant: a map that did not change between two states is the same object, so that compile can memoise by identity.

import type { ObjectByKind } from '../../api/generated/kinds.gen.ts'
import type { KindName } from '../../api/kinds.ts'
import { type AnyApiObject, kinds } from '../../api/kinds.ts'
import { keyOf } from '../../api/object-meta.ts'
import { withoutPauses } from './with-pauses.ts'

/** kind -> 'namespace/name' -> object. Every kind has a map, if only an empty one; keys are in the order of their names. */
export type ObjectMaps = { readonly [Kind in KindName]: ReadonlyMap<string, ObjectByKind[Kind]> }

export interface KubeState {
  /** Grows with every change. */
  readonly revision: number
  readonly objects: ObjectMaps
}

export const emptyKubeState: KubeState = { revision: 0, objects: mapsOf(withoutPauses(buildMaps([], undefined))) }

/** The state after `previous` with exactly these objects; `previous` itself when nothing changed. First object of a key wins. */
export function nextKubeState(previous: KubeState, objects: Iterable<AnyApiObject>): KubeState {
  return withoutPauses(nextKubeStateSteps(previous, objects))
}

/** The same in pieces; what it yields is the number of objects that it looked at. */
export function* nextKubeStateSteps(previous: KubeState, objects: Iterable<AnyApiObject>): Generator<number, KubeState> {
  return withMaps(previous, yield* buildMaps(objects, previous.objects))
}

/** The state after `previous` with these objects new or different and those gone: costs what changed, and a copy of the maps of its kinds. */
export function changedKubeState(
  previous: KubeState,
  changed: Iterable<AnyApiObject>,
  removed: Iterable<readonly [kind: KindName, key: string]>,
): KubeState {
  const touched = new Map<string, Map<string, AnyApiObject>>()
  const copyOf = (kind: KindName): Map<string, AnyApiObject> => {
    const copy = touched.get(kind) ?? new Map<string, AnyApiObject>(previous.objects[kind])
    touched.set(kind, copy)
    return copy
  }
  for (const [kind, key] of removed) copyOf(kind).delete(key)
  for (const object of changed) copyOf(object.kind).set(keyOf(object), object)
  const entries = kinds.map(({ kind }): Entries[number] => {
    const before = previous.objects[kind]
    const copy = touched.get(kind)
    if (copy === undefined || sameEntries(before, copy)) return [kind, before]
    // A new name stands at the end, where it does not belong.
    const hasNewNames = copy.size > before.size || copy.keys().some((key) => !before.has(key))
    return [kind, hasNewNames ? sorted(copy) : copy]
  })
  return withMaps(previous, entries)
}

/** All objects, kinds in the registry's order. */
export function* allObjects(state: KubeState): Generator<AnyApiObject> {
  for (const { kind } of kinds) yield* state.objects[kind].values()
}

function* buildMaps(objects: Iterable<AnyApiObject>, previous: ObjectMaps | undefined): Generator<number, Entries> {
  const byKind = new Map<string, Map<string, AnyApiObject>>(kinds.map(({ kind }) => [kind, new Map()]))
  for (const object of objects) {
    const map = byKind.get(object.kind)
    if (map !== undefined && !map.has(keyOf(object))) map.set(keyOf(object), object)
    yield 1
  }
  const entries: Entries[number][] = []
  for (const { kind } of kinds) {
    const map = sorted(byKind.get(kind) ?? new Map())
    const before = previous?.[kind]
    entries.push([kind, before !== undefined && sameEntries(before, map) ? before : map])
    yield map.size
  }
  return entries
}

type Entries = readonly (readonly [kind: string, map: ReadonlyMap<string, AnyApiObject>])[]

function withMaps(previous: KubeState, entries: Entries): KubeState {
  const objects = mapsOf(entries)
  const isChanged = kinds.some(({ kind }) => objects[kind] !== previous.objects[kind])
  return isChanged ? { revision: previous.revision + 1, objects } : previous
}

function mapsOf(entries: Entries): ObjectMaps {
  // The entries hold every kind of the registry with its own objects only, which fromEntries cannot express in types.
  return Object.fromEntries(entries) as ObjectMaps
}

function sorted(map: ReadonlyMap<string, AnyApiObject>): ReadonlyMap<string, AnyApiObject> {
  const inOrder = new Map<string, AnyApiObject>()
  // By UTF-16 units: without a comparison of ours that is several times as fast.
  for (const key of [...map.keys()].sort()) {
    const object = map.get(key)
    if (object !== undefined) inOrder.set(key, object)
  }
  return inOrder
}

function sameEntries(before: ReadonlyMap<string, unknown>, after: ReadonlyMap<string, unknown>): boolean {
  if (before.size !== after.size) return false
  for (const [key, value] of after) if (before.get(key) !== value) return false
  return true
}
