// One cluster per service port, and one per subset of it. Shared by all proxies of a scope.
// Invariant: mutual TLS is chosen per endpoint (automatic mTLS): an endpoint that says tlsMode=istio is never called in plaintext.
import type { Cluster, Cluster_TransportSocketMatch } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName } from '../../envoy/names.ts'
import type { Subset } from '../../model/destination-policy.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { ServicePort } from '../../model/service.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import { COMMON, protocolOptions } from './cluster-parts.ts'
import { ADS } from './config-source.ts'
import { metadataOf } from './metadata.ts'
import type { Resource } from './resources.ts'
import { clientTransport, RAW_TRANSPORT } from './tls.ts'

export function outboundClusters(scope: ScopeView): readonly Resource[] {
  return scope.services.flatMap((view) =>
    view.service.ports.flatMap((port) =>
      [undefined, ...(view.policy?.subsets ?? [])].map((subset): Resource => {
        const message = clusterOf(view, port, subset, scope.settings)
        return { type: 'envoy.config.cluster.v3.Cluster', name: message.name, message }
      }),
    ),
  )
}

function clusterOf(
  view: ServiceView,
  port: ServicePort,
  subset: Subset | undefined,
  settings: MeshSettings,
): Cluster & { readonly name: string } {
  const { service, identities, policy } = view
  const name = outboundClusterName(port.number, subset?.name ?? '', service.hostname)
  const discovery: Cluster =
    service.resolution === 'passthrough'
      ? { type: 'ORIGINAL_DST', lbPolicy: 'CLUSTER_PROVIDED' }
      : {
          type: 'EDS',
          edsClusterConfig: { edsConfig: ADS, serviceName: name },
          lbPolicy: 'LEAST_REQUEST',
          transportSocketMatches: transportMatches(view, port, subset, settings),
        }
  const passthroughTls =
    service.resolution === 'passthrough' && identities.length > 0
      ? { transportSocket: clientTransport(service, port, subset?.name ?? '', identities, settings) }
      : {}
  return {
    ...discovery,
    name,
    ...COMMON,
    ...protocolOptions(port.protocol),
    ...passthroughTls,
    metadata: metadataOf({
      origin: policy?.origin ?? service.origin,
      field: subset?.field ?? (policy === undefined ? portField(view, port) : 'spec'),
      services: [service],
      subset: subset?.name,
    }),
  }
}

function portField({ service }: ServiceView, port: ServicePort): string {
  return `spec.ports[${service.ports.indexOf(port)}]`
}

function transportMatches(
  { service, identities }: ServiceView,
  port: ServicePort,
  subset: Subset | undefined,
  settings: MeshSettings,
): readonly Cluster_TransportSocketMatch[] {
  return [
    {
      name: 'tlsMode-istio',
      match: { tlsMode: 'istio' },
      transportSocket: clientTransport(service, port, subset?.name ?? '', identities, settings),
    },
    { name: 'tlsMode-disabled', match: {}, transportSocket: RAW_TRANSPORT },
  ]
}
