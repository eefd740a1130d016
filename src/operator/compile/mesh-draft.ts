// The snapshot while passes make it, part by part. Lives for one call of compileMesh; its parts outlive it where nothing changed.
import type { ApiObject } from '../../api/object-meta.ts'
import type { DestinationPolicy } from '../../model/destination-policy.ts'
import type { GatewayRoute, MeshGateway } from '../../model/gateway.ts'
import type { Origin } from '../../model/origin.ts'
import type { Endpoint, Locality, MeshService, ServiceEndpoints } from '../../model/service.ts'
import type { SidecarScope } from '../../model/sidecar-scope.ts'
import type { TrafficRoute } from '../../model/traffic-route.ts'
import type { Workload } from '../../model/workload.ts'
import type { Instance } from './instance.ts'

export interface MeshDraft {
  readonly services: ReadonlyMap<string, MeshService>
  /** By hostname: what a workload must carry; undefined: the Service selects nothing by itself. */
  readonly selectors: ReadonlyMap<string, Readonly<Record<string, string>>>
  /** By hostname: endpoints that an object lists itself, or DNS names. */
  readonly fixedEndpoints: ReadonlyMap<string, readonly FixedEndpoint[]>
  /** By hostname of an ExternalName Service: the name that it stands for. */
  readonly aliases: ReadonlyMap<string, string>
  readonly instances: ReadonlyMap<string, Instance>
  /** By key of the service: keys of the workloads that it selects, sorted. */
  readonly selected: ReadonlyMap<string, readonly string[]>
  /** The same by key of the workload; sorted, too. */
  readonly selectedBy: ReadonlyMap<string, readonly string[]>
  readonly workloads: ReadonlyMap<string, Workload>
  readonly endpoints: ReadonlyMap<string, ServiceEndpoints>
  /** As in the snapshot: by `<namespace>/<host>`. */
  readonly policies: ReadonlyMap<string, DestinationPolicy>
  /** By host, wildcards too: the subsets that any rule has. */
  readonly subsetNames: ReadonlyMap<string, readonly string[]>
  readonly sidecars: ReadonlyMap<string, SidecarScope>
  readonly routes: ReadonlyMap<string, readonly TrafficRoute[]>
  /** By full name of the gateway, oldest VirtualService first. */
  readonly gatewayRoutes: ReadonlyMap<string, readonly GatewayRoute[]>
  readonly gateways: ReadonlyMap<string, MeshGateway>
}

/** A WorkloadEntry, one that is written into a ServiceEntry, or one of an EndpointSlice. */
export interface FixedEndpoint {
  readonly name: string
  readonly namespace: string
  readonly address: string
  /** Name of a service's port to its number here. */
  readonly ports: Readonly<Record<string, number>>
  /** It has no ports but these. */
  readonly hasAllPorts?: true
  /** Undefined: healthy. */
  readonly health?: Endpoint['health']
  /** Undefined: its labels say it. */
  readonly hasProxy?: boolean
  readonly labels: Readonly<Record<string, string>>
  readonly locality: Locality
  readonly weight: number
  /** Undefined: it has no identity of the mesh. */
  readonly serviceAccount: string | undefined
}

export const emptyDraft: MeshDraft = {
  services: new Map(),
  selectors: new Map(),
  fixedEndpoints: new Map(),
  aliases: new Map(),
  instances: new Map(),
  selected: new Map(),
  selectedBy: new Map(),
  workloads: new Map(),
  endpoints: new Map(),
  policies: new Map(),
  subsetNames: new Map(),
  sidecars: new Map(),
  routes: new Map(),
  gatewayRoutes: new Map(),
  gateways: new Map(),
}

/** What is known of the keys, in their order. */
export function valuesOf<V>(map: ReadonlyMap<string, V>, keys: readonly string[] = []): readonly V[] {
  const values: V[] = []
  for (const key of keys) {
    const value = map.get(key)
    if (value !== undefined) values.push(value)
  }
  return values
}

export function originOf(object: ApiObject): Origin {
  const { namespace, name } = object.metadata
  return { apiVersion: object.apiVersion, kind: object.kind, namespace, name }
}

/** Oldest first, then by name and namespace: who comes first wins (Istio's rule). Without a date, an object counts as oldest. */
export function byAge(a: ApiObject, b: ApiObject): number {
  return (
    compareText(a.metadata.creationTimestamp ?? '', b.metadata.creationTimestamp ?? '') ||
    compareText(a.metadata.name, b.metadata.name) ||
    compareText(a.metadata.namespace, b.metadata.namespace)
  )
}

export function compareText(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0
}
