// Who answers for each cluster: one load assignment per service port and subset. Shared by all proxies of a scope.
// Endpoints change most often; nothing else of a proxy is touched by that.
import type { ClusterLoadAssignment, JsonObject, LbEndpoint, LocalityLbEndpoints } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName } from '../../envoy/names.ts'
import { hasLabels } from '../../model/destination-policy.ts'
import type { Endpoint, Locality } from '../../model/service.ts'
import type { ScopeView } from '../view/proxy-view.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'

export function endpoints(scope: ScopeView): readonly Resource[] {
  return scope.services
    .filter(({ service }) => service.resolution === 'endpoints')
    .flatMap(({ service, policy }) =>
      (scope.endpoints.get(service.hostname)?.ports ?? []).flatMap(({ port, endpoints: all }) =>
        [undefined, ...(policy?.subsets ?? [])].map((subset): Resource => {
          const clusterName = outboundClusterName(port, subset?.name ?? '', service.hostname)
          const selected = subset === undefined ? all : all.filter(({ labels }) => hasLabels(labels, subset.labels))
          const message: ClusterLoadAssignment = { clusterName, endpoints: byLocality(selected, scope.settings.cluster) }
          return { type: 'envoy.config.endpoint.v3.ClusterLoadAssignment', name: clusterName, message }
        }),
      ),
    )
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
        loadBalancingWeight: group.length,
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
    loadBalancingWeight: 1,
  }
}
