// A gateway between networks (AUTO_PASSTHROUGH): connections of the mesh's own clients go on by the server name that they ask for,
// `outbound_.<port>_.<subset>_.<host>`, to every service that the server's hosts cover, without a VirtualService and without being opened.
// Called by gateway-listeners.ts and, for the clusters, by contributors.ts.
// Invariant: only TLS of the mesh is forwarded (its protocols are in the hello), so nobody gets past without showing a certificate to
// the workload at the other end.
import { MESH_ALPN } from '../../envoy/alpn.ts'
import type { Cluster, FilterChain } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName, outboundSni } from '../../envoy/names.ts'
import { hostIntersection } from '../../model/host-intersection.ts'
import type { BoundServer } from '../view/gateway-view.ts'
import type { ProxyView, ServiceView } from '../view/proxy-view.ts'
import { common } from './cluster-parts.ts'
import { ADS } from './config-source.ts'
import { metadataOf } from './metadata.ts'
import type { Resource } from './resources.ts'
import { tcpProxy } from './terminal-filters.ts'

interface Target {
  /** Server name, and name of the cluster that does not open what it forwards. */
  readonly name: string
  /** Whose endpoints it has. */
  readonly cluster: string
  readonly view: ServiceView
  /** Of the service: `spec.ports[0]`. */
  readonly field: string
}

export function autoPassthroughChains(bound: BoundServer, view: ProxyView): readonly FilterChain[] {
  const { gateway, server } = bound
  return targetsOf(bound, view).map(({ name }) => ({
    name,
    filterChainMatch: { serverNames: [name], transportProtocol: 'tls', applicationProtocols: MESH_ALPN },
    filters: [tcpProxy(name, view.instance.settings)],
    metadata: metadataOf({ origin: gateway.origin, field: server.field }),
  }))
}

/** Their endpoints are those of the clusters that are called otherwise; what differs is that nothing is put around the bytes. */
export function autoPassthroughClusters(view: ProxyView): readonly Resource[] {
  const servers = (view.gateway?.listeners ?? []).flatMap(({ servers: all }) => all)
  const targets = servers.flatMap((bound) => (bound.server.tls?.mode === 'auto-passthrough' ? targetsOf(bound, view) : []))
  return [...new Map(targets.map((target) => [target.name, target])).values()].map(
    ({ name, cluster, field, view: { service } }): Resource => {
      const message: Cluster = {
        name,
        ...common(view.instance.settings),
        type: 'EDS',
        edsClusterConfig: { edsConfig: ADS, serviceName: cluster },
        metadata: metadataOf({ origin: service.origin, field, services: [service] }),
      }
      return { type: 'envoy.config.cluster.v3.Cluster', name, message }
    },
  )
}

function targetsOf({ server }: BoundServer, { scope }: ProxyView): readonly Target[] {
  return scope.services
    .filter(
      ({ service }) => service.resolution === 'endpoints' && !service.isExternal && isOpen(service.hostname, service.namespace, server),
    )
    .flatMap((view) =>
      view.service.ports.flatMap(({ number }, index) =>
        ['', ...(view.policy?.subsets ?? []).map(({ name }) => name)].map((subset) => ({
          name: outboundSni(number, subset, view.service.hostname),
          cluster: outboundClusterName(number, subset, view.service.hostname),
          view,
          field: `spec.ports[${index}]`,
        })),
      ),
    )
}

function isOpen(hostname: string, namespace: string, { hosts }: BoundServer['server']): boolean {
  return hosts.some(
    (each) => (each.namespace === '*' || each.namespace === namespace) && hostIntersection(each.host, hostname) !== undefined,
  )
}
