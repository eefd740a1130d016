// A view in, everything that is sent to that proxy out. Called by the control plane after every compile, by the CLI and by tests.
// Invariants: pure and deterministic (equal views, equal bytes); resources of one type are sorted by name.
import { contentHash } from '../../base/content-hash.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../envoy/type-urls.ts'
import type { ProxyView, ScopeView } from '../view/proxy-view.ts'
import { endpointContributors, instanceContributors, scopeContributors } from './contributors.ts'
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
}

/** Encoded resources of one part of a view, by type, sorted by name. */
type EncodedPart = EnvoyResources

export type Generate = (view: ProxyView) => EnvoyResources

export const generate: Generate = (view) => join([scopePart(view.scope), endpointPart(view.scope), instancePart(view)])

/** As `generate`, in parts, and remembers the shared ones of each scope while their keys hold, so that they are made and encoded once for
 *  all proxies of the scope; scopes with equal resources of a type share one map. One per control plane; it keeps one rendering per scope. */
export function createGenerator(): (view: ProxyView) => ServedResources {
  const scopeParts = new Map<string, Remembered>()
  const endpointParts = new Map<string, Remembered>()
  const intern = createMapInterner()
  return (view) => {
    const { scope } = view
    const name = `${scope.capture} ${scope.namespace}`
    const shared = remembered(scopeParts, name, scope.key, () => intern(scopePart(scope)))
    const endpoints = remembered(endpointParts, name, scope.endpointsKey, () => intern(endpointPart(scope)))
    const own = intern(instancePart(view))
    return new Map(
      Object.values(TYPE_URLS).map((typeUrl) => {
        const found = shared.get(typeUrl) ?? endpoints.get(typeUrl) ?? NO_RESOURCES
        return [typeUrl, { shared: found, own: own.get(typeUrl) ?? NO_RESOURCES }]
      }),
    )
  }
}

/** What is served, for whoever has no use for parts. */
export function joinedParts(served: ServedResources): EnvoyResources {
  return new Map([...served].map(([typeUrl, { shared, own }]) => [typeUrl, own.size === 0 ? shared : sortedUnion([shared, own])]))
}

/** Equal maps become one object, as long as somebody holds it: what is sent is compared and rendered per object. */
function createMapInterner(): (part: EncodedPart) => EncodedPart {
  const known = new Map<string, WeakRef<ResourceMap>>()
  const forgotten = new FinalizationRegistry<string>((key) => {
    if (known.get(key)?.deref() === undefined) known.delete(key)
  })
  const intern = (map: ResourceMap): ResourceMap => {
    const key = contentHash([...map].map(([name, { version }]) => `${name}\t${version}\n`).join(''))
    const same = known.get(key)?.deref()
    if (same !== undefined) return same
    known.set(key, new WeakRef(map))
    forgotten.register(map, key)
    return map
  }
  return (part) => new Map([...part].map(([typeUrl, map]) => [typeUrl, intern(map)]))
}

interface Remembered {
  readonly key: string
  readonly part: EncodedPart
}

function remembered(parts: Map<string, Remembered>, name: string, key: string, make: () => EncodedPart): EncodedPart {
  const known = parts.get(name)
  if (known?.key === key) return known.part
  const part = make()
  parts.set(name, { key, part })
  return part
}

function scopePart(scope: ScopeView): EncodedPart {
  return encodePart(scopeContributors.flatMap((contribute) => contribute(scope)))
}

function endpointPart(scope: ScopeView): EncodedPart {
  return encodePart(endpointContributors.flatMap((contribute) => contribute(scope)))
}

function instancePart(view: ProxyView): EncodedPart {
  return encodePart(instanceContributors.flatMap((contribute) => contribute(view)))
}

/** The messages themselves, for people and tests: what `generate` encodes. */
export function generateMessages(view: ProxyView): readonly Resource[] {
  const { scope } = view
  return [
    ...scopeContributors.flatMap((contribute) => contribute(scope)),
    ...endpointContributors.flatMap((contribute) => contribute(scope)),
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
    const bytes = fullCodec.encode(resource.type, resource.message)
    const byName = byType.get(typeUrl) ?? new Map<string, EncodedResource>()
    byType.set(typeUrl, byName.set(resource.name, { version: contentHash(bytes), bytes }))
  }
  return byType
}

/** A type that one part has alone is taken as it is: most of what thousands of proxies get is the same few maps. */
function join(parts: readonly EncodedPart[]): EnvoyResources {
  return new Map(
    Object.values(TYPE_URLS).map((typeUrl) => {
      const found = parts.flatMap((part) => part.get(typeUrl) ?? [])
      const [only = NONE] = found
      return [typeUrl, found.length <= 1 ? only : sortedUnion(found)]
    }),
  )
}

const NONE: ReadonlyMap<string, EncodedResource> = new Map()

/** Of sorted maps: the sort finds them as runs and merges them in one pass. */
function sortedUnion(maps: readonly ReadonlyMap<string, EncodedResource>[]): ReadonlyMap<string, EncodedResource> {
  return new Map(maps.flatMap((map) => [...map]).sort(([a], [b]) => compare(a, b)))
}
