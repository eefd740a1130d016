// The whole mesh at one moment, in the mesh's own words. Made by operator/compile, read by xds/view and by people's questions.
// Plain data (maps, arrays, values): it crosses to a worker and is compared by content.
// Invariants: sorted wherever the user gave no order; an object that did not change between two snapshots is the same object, so that
// everything derived from it may be remembered.
import type { DestinationPolicy } from './destination-policy.ts'
import type { GatewayRoute, MeshGateway } from './gateway.ts'
import type { MeshSettings } from './mesh-settings.ts'
import type { MeshService, ServiceEndpoints } from './service.ts'
import type { SidecarScope } from './sidecar-scope.ts'
import type { TrafficRoute } from './traffic-route.ts'
import type { Workload } from './workload.ts'

export interface MeshSnapshot {
  readonly settings: MeshSettings
  /** By hostname, sorted; of the second namespace that knows a name of the outside world, `hostname@namespace`. */
  readonly services: ReadonlyMap<string, MeshService>
  /** By the services' keys, sorted: one entry per service. */
  readonly endpoints: ReadonlyMap<string, ServiceEndpoints>
  /** By host, sorted: the claims to it, oldest first; route-precedence.ts says whose a namespace obeys. */
  readonly routes: ReadonlyMap<string, readonly TrafficRoute[]>
  /** By `<namespace>/<name>`, sorted. */
  readonly gateways: ReadonlyMap<string, MeshGateway>
  /** By `<namespace>/<name>` of the gateway, sorted: what is bound to it, oldest first. */
  readonly gatewayRoutes: ReadonlyMap<string, readonly GatewayRoute[]>
  /** By `<namespace>/<host>`, and `#n` for those that are for some clients only; sorted. */
  readonly policies: ReadonlyMap<string, DestinationPolicy>
  /** By `<namespace>/<name>`, oldest first. */
  readonly sidecars: ReadonlyMap<string, SidecarScope>
  /** By `<namespace>/<name>`, sorted. */
  readonly workloads: ReadonlyMap<string, Workload>
}
