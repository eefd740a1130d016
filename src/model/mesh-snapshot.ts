// The whole mesh at one moment, in the mesh's own words. Made by operator/compile, read by xds/view and by people's questions.
// Plain data (maps, arrays, values): it crosses to a worker and is compared by content.
// Invariants: sorted wherever the user gave no order; an object that did not change between two snapshots is the same object, so that
// everything derived from it may be remembered.
import type { DestinationPolicy } from './destination-policy.ts'
import type { MeshSettings } from './mesh-settings.ts'
import type { MeshService, ServiceEndpoints } from './service.ts'
import type { TrafficRoute } from './traffic-route.ts'
import type { Workload } from './workload.ts'

export interface MeshSnapshot {
  readonly settings: MeshSettings
  /** By hostname, sorted. */
  readonly services: ReadonlyMap<string, MeshService>
  /** By hostname, sorted: one entry per service. */
  readonly endpoints: ReadonlyMap<string, ServiceEndpoints>
  /** By host, sorted. */
  readonly routes: ReadonlyMap<string, TrafficRoute>
  /** By host, sorted. */
  readonly policies: ReadonlyMap<string, DestinationPolicy>
  /** By `<namespace>/<name>`, sorted. */
  readonly workloads: ReadonlyMap<string, Workload>
}
