// The snapshot while passes fill it in. Lives for one call of compileMesh.
import type { Finding } from '../../api/finding.ts'
import type { ApiObject } from '../../api/object-meta.ts'
import type { DestinationPolicy } from '../../model/destination-policy.ts'
import type { GatewayRoute, MeshGateway } from '../../model/gateway.ts'
import type { Origin } from '../../model/origin.ts'
import type { Locality, MeshService, ServiceEndpoints } from '../../model/service.ts'
import type { SidecarScope } from '../../model/sidecar-scope.ts'
import type { TrafficRoute } from '../../model/traffic-route.ts'
import type { Workload } from '../../model/workload.ts'
import type { CompileInput } from './compile-input.ts'

export interface MeshDraft {
  readonly services: Map<string, MeshService>
  /** By hostname: what a workload must carry; undefined: the Service selects nothing by itself. */
  readonly selectors: Map<string, Readonly<Record<string, string>>>
  /** By hostname: endpoints that an object lists itself, or DNS names. */
  readonly fixedEndpoints: Map<string, readonly FixedEndpoint[]>
  /** By hostname of an ExternalName Service: the name that it stands for. */
  readonly aliases: Map<string, string>
  /** By key of the service: keys of the workloads that it selects, sorted. */
  readonly selected: Map<string, readonly string[]>
  /** The same by key of the workload. */
  readonly selectedBy: Map<string, string[]>
  readonly workloads: Map<string, Workload>
  readonly endpoints: Map<string, ServiceEndpoints>
  /** As in the snapshot: by `<namespace>/<host>`. */
  readonly policies: Map<string, DestinationPolicy>
  /** By host, wildcards too: the subsets that any rule has. */
  readonly subsetNames: Map<string, Set<string>>
  readonly sidecars: Map<string, SidecarScope>
  readonly routes: Map<string, readonly TrafficRoute[]>
  /** By full name of the gateway, oldest VirtualService first. */
  readonly gatewayRoutes: Map<string, readonly GatewayRoute[]>
  readonly gateways: Map<string, MeshGateway>
}

/** A WorkloadEntry, or one that is written into a ServiceEntry. */
export interface FixedEndpoint {
  readonly name: string
  readonly namespace: string
  readonly address: string
  /** Name of a service's port to its number here. */
  readonly ports: Readonly<Record<string, number>>
  readonly labels: Readonly<Record<string, string>>
  readonly locality: Locality
  readonly weight: number
  /** Undefined: it has no identity of the mesh. */
  readonly serviceAccount: string | undefined
}

/** Reads the input and earlier passes' results, adds its own to the draft, reports what the user got wrong. Never throws for input. What it
 *  remembers of the round before (remembered.ts) makes it faster and changes nothing else. */
export type Pass = (draft: MeshDraft, input: CompileInput) => readonly Finding[]

export function emptyDraft(): MeshDraft {
  return {
    services: new Map(),
    selectors: new Map(),
    fixedEndpoints: new Map(),
    aliases: new Map(),
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
