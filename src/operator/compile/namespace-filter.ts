// MeshConfig's discoverySelectors: objects in other namespaces are not there, for all passes. Called by compile-mesh.ts.
// Invariants: the root namespace is always seen, because what it says protects the whole mesh; without selectors the state is passed on as
// it is; a kind of which nothing was added or lost keeps its map, so that passes need not run.

import { type AnyApiObject, type KindName, kinds } from '../../api/kinds.ts'
import { sameSet } from '../../base/same-set.ts'
import type { MeshSettings, NamespaceSelector } from '../../model/mesh-settings.ts'
import type { KubeState, ObjectMaps } from '../ingest/kube-state.ts'

export type NamespaceFilter = (state: KubeState, settings: MeshSettings) => KubeState

export function createNamespaceFilter(): NamespaceFilter {
  let hidden: ReadonlySet<string> = new Set()
  let known = new Map<KindName, { readonly all: Objects; readonly seen: Objects }>()
  return (state, settings) => {
    if (settings.discoverySelectors.length === 0) return state
    const nowHidden = hiddenNamespaces(state, settings)
    if (!sameSet(hidden, nowHidden)) known = new Map()
    hidden = nowHidden
    const maps = kinds.map(({ kind, namespaced }) => {
      const all: Objects = state.objects[kind]
      const before = known.get(kind)
      if (!namespaced || before?.all === all) return [kind, namespaced ? (before?.seen ?? all) : all] as const
      const seen = keepSame(before?.seen, seenOf(all, hidden))
      known.set(kind, { all, seen })
      return [kind, seen] as const
    })
    // Every kind with a part of its own objects, which fromEntries cannot express in types.
    return { ...state, objects: Object.fromEntries(maps) as ObjectMaps }
  }
}

type Objects = ReadonlyMap<string, AnyApiObject>

function seenOf(all: Objects, hidden: ReadonlySet<string>): Objects {
  const seen = new Map<string, AnyApiObject>()
  for (const [key, object] of all) if (!hidden.has(object.metadata.namespace)) seen.set(key, object)
  return seen.size === all.size ? all : seen
}

function keepSame(before: Objects | undefined, now: Objects): Objects {
  if (before === undefined || before.size !== now.size) return now
  for (const [key, value] of now) if (before.get(key) !== value) return now
  return before
}

/** A namespace of which there is no object (a directory need not have one) has its name as its only label. */
function hiddenNamespaces({ objects }: KubeState, { discoverySelectors, rootNamespace }: MeshSettings): ReadonlySet<string> {
  const labelled = new Map([...objects.Namespace.values()].map(({ metadata }) => [metadata.name, metadata.labels]))
  const mentioned = new Set(labelled.keys())
  for (const { kind, namespaced } of kinds) {
    const all: Objects = objects[kind]
    if (namespaced) for (const { metadata } of all.values()) mentioned.add(metadata.namespace)
  }
  const hidden = [...mentioned].filter((name) => {
    // Kubernetes puts its name on every namespace.
    const labels = { 'kubernetes.io/metadata.name': name, ...labelled.get(name) }
    return name !== rootNamespace && !discoverySelectors.some((selector) => selects(selector, labels))
  })
  return new Set(hidden)
}

export function selects({ labels, expressions }: NamespaceSelector, of: Readonly<Record<string, string>>): boolean {
  return Object.entries(labels).every(([key, value]) => of[key] === value) && expressions.every((each) => isTrue(each, of))
}

function isTrue({ key, operator, values }: NamespaceSelector['expressions'][number], of: Readonly<Record<string, string>>): boolean {
  const value = of[key]
  switch (operator) {
    case 'In':
      return value !== undefined && values.includes(value)
    case 'NotIn':
      return value === undefined || !values.includes(value)
    case 'Exists':
      return value !== undefined
    case 'DoesNotExist':
      return value === undefined
  }
}
