// A view in, everything that is sent to that proxy out. Called by the control plane after every compile, by the CLI and by tests.
// Invariants: pure and deterministic (equal views, equal bytes); resources of one type are sorted by name.
import { contentHash } from '../../base/content-hash.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE } from '../../envoy/type-urls.ts'
import type { ProxyView, ScopeView } from '../view/proxy-view.ts'
import { derivationOf } from '../view/scope-history.ts'
import { instanceContributors, type ScopePart, scopeParts } from './contributors.ts'
import { encodeResource } from './encode-resource.ts'
import {
  type EncodedResource,
  type EnvoyResources,
  NO_RESOURCES,
  type Resource,
  type ResourceMap,
  type ResourceMessageName,
  type ServedResources,
} from './resources.ts'

const TYPE_URLS: Readonly<Record<ResourceMessageName, string>> = {
  'envoy.config.cluster.v3.Cluster': CLUSTER_TYPE,
  'envoy.config.endpoint.v3.ClusterLoadAssignment': ENDPOINT_TYPE,
  'envoy.config.listener.v3.Listener': LISTENER_TYPE,
  'envoy.config.route.v3.RouteConfiguration': ROUTE_TYPE,
  'envoy.config.route.v3.VirtualHost': VIRTUAL_HOST_TYPE,
  'envoy.extensions.transport_sockets.tls.v3.Secret': SECRET_TYPE,
}

/** Encoded resources of one part of a view, by type, sorted by name. */
type EncodedPart = EnvoyResources

export type Generate = (view: ProxyView) => EnvoyResources

export const generate: Generate = (view) => join([...scopeParts.map((part) => encodeScopePart(part, view.scope)), instancePart(view)])

/** As `generate`, in parts, and remembers them while their keys hold: what scopes have in common is made and encoded once for all their
 *  proxies, and scopes with equal resources of a type share one map. One per control plane. */
export function createGenerator(): (view: ProxyView) => ServedResources {
  // A scope lives as long as its snapshot; between snapshots and scopes, parts are found by key as long as somebody holds them.
  const byScope = new WeakMap<ScopeView, { readonly parts: readonly EncodedPart[]; readonly shared: EncodedPart }>()
  const byKey = createWeakValues<EncodedPart>()
  const instances = new WeakMap<object, { readonly key: string; readonly part: EncodedPart }>()
  const intern = createMapInterner()

  const sharedOf = (scope: ScopeView): EncodedPart => {
    const known = byScope.get(scope)
    if (known !== undefined) return known.shared
    const parts = scopeParts.map((part, index) =>
      byKey(`${part.key} ${scope.keys[part.key]}`, () => patchOf(part, index, scope) ?? intern(encodeScopePart(part, scope))),
    )
    const shared = join(parts)
    byScope.set(scope, { parts, shared })
    return shared
  }
  /** Undefined: it must be made whole. */
  const patchOf = (part: ScopePart, index: number, scope: ScopeView): EncodedPart | undefined => {
    const derivation = part.isByService(scope) ? derivationOf(scope) : undefined
    const before = derivation === undefined ? undefined : byScope.get(derivation.from)?.parts[index]
    if (derivation === undefined || before === undefined) return undefined
    return patched(before, encodeScopePart(part, { ...scope, services: derivation.changed }))
  }
  const ownOf = (view: ProxyView): EncodedPart => {
    const { workload, key } = view.instance
    const known = instances.get(workload)
    if (known?.key === key) return known.part
    const part = intern(instancePart(view))
    instances.set(workload, { key, part })
    return part
  }
  return (view) => {
    const shared = sharedOf(view.scope)
    const own = ownOf(view)
    return new Map(
      Object.values(TYPE_URLS).map((typeUrl) => [
        typeUrl,
        { shared: shared.get(typeUrl) ?? NO_RESOURCES, own: own.get(typeUrl) ?? NO_RESOURCES },
      ]),
    )
  }
}

/** Values by key as long as somebody holds them. */
function createWeakValues<V extends object>(): (key: string, make: () => V) => V {
  const known = new Map<string, WeakRef<V>>()
  const forgotten = new FinalizationRegistry<string>((key) => {
    if (known.get(key)?.deref() === undefined) known.delete(key)
  })
  return (key, make) => {
    const found = known.get(key)?.deref()
    if (found !== undefined) return found
    const made = make()
    known.set(key, new WeakRef(made))
    forgotten.register(made, key)
    return made
  }
}

/** What is served, for whoever has no use for parts. */
export function joinedParts(served: ServedResources): EnvoyResources {
  return new Map([...served].map(([typeUrl, { shared, own }]) => [typeUrl, own.size === 0 ? shared : sortedUnion([shared, own])]))
}

/** Equal maps become one object, as long as somebody holds it: what is sent is compared and rendered per object. */
function createMapInterner(): (part: EncodedPart) => EncodedPart {
  const known = createWeakValues<ResourceMap>()
  const intern = (map: ResourceMap): ResourceMap =>
    known(contentHash([...map].map(([name, { version }]) => `${name}\t${version}\n`).join('')), () => map)
  return (part) => new Map([...part].map(([typeUrl, map]) => [typeUrl, intern(map)]))
}

/** What was, with what is different now in its place. Undefined: there are names that were not. */
function patched(before: EncodedPart, changed: EncodedPart): EncodedPart | undefined {
  const after = new Map(before)
  for (const [typeUrl, resources] of changed) {
    const old = before.get(typeUrl) ?? NO_RESOURCES
    const different = [...resources].filter(([name, { version }]) => old.get(name)?.version !== version)
    if (different.some(([name]) => !old.has(name))) return undefined
    if (different.length > 0) after.set(typeUrl, new Map([...old, ...different]))
  }
  return after
}

function encodeScopePart({ contributors }: ScopePart, scope: ScopeView): EncodedPart {
  return encodePart(contributors.flatMap((contribute) => contribute(scope)))
}

function instancePart(view: ProxyView): EncodedPart {
  return encodePart(instanceContributors.flatMap((contribute) => contribute(view)))
}

/** The messages themselves, for people and tests: what `generate` encodes. */
export function generateMessages(view: ProxyView): readonly Resource[] {
  const { scope } = view
  return [
    ...scopeParts.flatMap(({ contributors }) => contributors.flatMap((contribute) => contribute(scope))),
    ...instanceContributors.flatMap((contribute) => contribute(view)),
  ].sort(byTypeAndName)
}

function byTypeAndName(a: Resource, b: Resource): number {
  return compare(a.type, b.type) || compare(a.name, b.name)
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}

function encodePart(resources: readonly Resource[]): EncodedPart {
  const byType = new Map<string, Map<string, EncodedResource>>()
  for (const resource of [...resources].sort(byTypeAndName)) {
    const typeUrl = TYPE_URLS[resource.type]
    const byName = byType.get(typeUrl) ?? new Map<string, EncodedResource>()
    byType.set(typeUrl, byName.set(resource.name, encodeResource(resource)))
  }
  return byType
}

/** A type that one part has alone is taken as it is: most of what thousands of proxies get is the same few maps. */
function join(parts: readonly EncodedPart[]): EnvoyResources {
  return new Map(
    Object.values(TYPE_URLS).map((typeUrl) => {
      const found = parts.flatMap((part) => part.get(typeUrl) ?? [])
      const [only = NO_RESOURCES] = found
      return [typeUrl, found.length <= 1 ? only : sortedUnion(found)]
    }),
  )
}

/** Of sorted maps: the sort finds them as runs and merges them in one pass. */
function sortedUnion(maps: readonly ReadonlyMap<string, EncodedResource>[]): ReadonlyMap<string, EncodedResource> {
  return new Map(maps.flatMap((map) => [...map]).sort(([a], [b]) => compare(a, b)))
}
