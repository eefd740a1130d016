// Who answers for each cluster: one load assignment per service port and subset. Shared by all proxies of a scope.
// Endpoints change most often; nothing else of a proxy is touched by that.
import { createWeakMemo } from '../../base/weak-memo.ts'
import type { ClusterLoadAssignment, JsonObject, LbEndpoint, LocalityLbEndpoints } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName } from '../../envoy/names.ts'
import { hasLabels, type Subset } from '../../model/destination-policy.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { Endpoint, Locality } from '../../model/service.ts'
import { blocksFor, NO_TRAFFIC_POLICY } from '../../model/traffic-policy.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'

export function endpoints(scope: ScopeView): readonly Resource[] {
  return scope.services.flatMap((view) => assignmentsOf(view, scope.settings))
}

const made = createWeakMemo<readonly Resource[]>()

/** The same objects as long as what they are made from is, so that a change of one service is encoded for that service alone. */
function assignmentsOf(view: ServiceView, settings: MeshSettings): readonly Resource[] {
  const { service, policy, endpoints: found } = view
  if (service.resolution !== 'endpoints') return []
  return made([view, settings], () =>
    service.ports.flatMap(({ number }) => {
      const all = found.ports.find(({ port }) => port === number)?.endpoints ?? []
      return [undefined, ...(policy?.subsets ?? [])].flatMap((subset): readonly Resource[] => {
        if (blocksFor(policy?.traffic ?? NO_TRAFFIC_POLICY, subset?.traffic, number).balancing === 'passthrough') return []
        const name = outboundClusterName(number, subset?.name ?? '', service.hostname)
        const message = loadAssignment(name, all, subset, settings)
        return [{ type: 'envoy.config.endpoint.v3.ClusterLoadAssignment', name, message }]
      })
    }),
  )
}

/** Also of clusters that carry their endpoints themselves (DNS). */
export function loadAssignment(
  clusterName: string,
  all: readonly Endpoint[],
  subset: Subset | undefined,
  { cluster }: MeshSettings,
): ClusterLoadAssignment {
  const selected = subset === undefined ? all : all.filter(({ labels }) => hasLabels(labels, subset.labels))
  return { clusterName, endpoints: byLocality(selected, cluster) }
}

/** Localities in the order of their names, each with the weight of its endpoints. */
function byLocality(endpoints: readonly Endpoint[], cluster: string): readonly LocalityLbEndpoints[] {
  const groups = Map.groupBy(endpoints, ({ locality }) => localityName(locality))
  return [...groups]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group]) => {
      const { region = '', zone = '', subzone = '' } = group[0]?.locality ?? {}
      return {
        locality: { region, zone, subZone: subzone },
        lbEndpoints: group.map((endpoint) => lbEndpointOf(endpoint, cluster)),
        loadBalancingWeight: group.reduce((sum, { weight }) => sum + weight, 0),
      }
    })
}

function localityName({ region, zone, subzone }: Locality): string {
  return `${region}/${zone}/${subzone}`
}

const HEALTH = { healthy: 'HEALTHY', unhealthy: 'UNHEALTHY', draining: 'DRAINING' } as const

function lbEndpointOf(endpoint: Endpoint, cluster: string): LbEndpoint {
  const { name, namespace, app, version } = endpoint.workload
  const transport: { readonly [key: string]: JsonObject } = endpoint.acceptsMutualTls
    ? { 'envoy.transport_socket_match': { tlsMode: 'istio' } }
    : {}
  return {
    endpoint: { address: socketAddress(endpoint) },
    healthStatus: HEALTH[endpoint.health],
    metadata: { filterMetadata: { ...transport, istio: { workload: [name, namespace, app, version, cluster].join(';') } } },
    loadBalancingWeight: endpoint.weight,
  }
}
