// One cluster per service port, and one per subset of it. Shared by all proxies of a scope, and made once per service.
// Invariant: mutual TLS is chosen per endpoint (automatic mTLS): an endpoint that says tlsMode=istio is never called in plaintext, unless
// a DestinationRule says so.
import { createWeakMemo } from '../../base/weak-memo.ts'
import type { Cluster } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName } from '../../envoy/names.ts'
import type { Subset } from '../../model/destination-policy.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { ServicePort } from '../../model/service.ts'
import { blocksFor, type ConnectionPool, NO_TRAFFIC_POLICY, type PolicyBlocks } from '../../model/traffic-policy.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import { policyFields } from './cluster-policy.ts'
import { ADS } from './config-source.ts'
import { loadAssignment } from './endpoints.ts'
import { metadataOf } from './metadata.ts'
import type { Resource } from './resources.ts'
import { statName } from './stat-name.ts'
import { type TransportContext, transportFields } from './upstream-transport.ts'

export function outboundClusters(scope: ScopeView): readonly Resource[] {
  return scope.services.flatMap((view) => clustersOf(view, scope))
}

const madeFor = { envoy: createWeakMemo<readonly Resource[]>(), lateen: createWeakMemo<readonly Resource[]>() }

/** The same objects as long as what they are made from is, so that they are encoded once. */
function clustersOf(view: ServiceView, { settings, isStock }: ScopeView): readonly Resource[] {
  return madeFor[isStock ? 'envoy' : 'lateen']([view, settings], () =>
    view.service.ports.flatMap((port) =>
      [undefined, ...(view.policy?.subsets ?? [])].map((subset): Resource => {
        const message = clusterOf(view, port, subset, { settings, isStock })
        return { type: 'envoy.config.cluster.v3.Cluster', name: message.name, message }
      }),
    ),
  )
}

function clusterOf(
  view: ServiceView,
  port: ServicePort,
  subset: Subset | undefined,
  { settings, isStock }: { readonly settings: MeshSettings; readonly isStock: boolean },
): Cluster & { readonly name: string } {
  const { service, policy } = view
  const name = outboundClusterName(port.number, subset?.name ?? '', service.hostname)
  const blocks = blocksFor(policy?.traffic ?? NO_TRAFFIC_POLICY, subset?.traffic, port.number)
  const isPassthrough = service.resolution === 'passthrough' || blocks.balancing === 'passthrough'
  const transport: TransportContext = { view, port, subset: subset?.name ?? '', tls: blocks.tls, settings, isStock, isPassthrough }
  const isOfPolicy = policy !== undefined && (subset !== undefined || hasBlocks(blocks) || policy.subsets.length > 0)
  return {
    ...discoveryOf(view, port, subset, name, isPassthrough, settings),
    ...policyFields(
      { ...blocks, pool: poolWithDefaults(blocks.pool, settings) },
      { settings, isStock, protocol: port.protocol, isPassthrough },
    ),
    ...transportFields(transport),
    ...statName(settings.statNames.outbound, {
      service: service.hasShortNames ? `${service.name}.${service.namespace}` : service.hostname,
      hostname: service.hostname,
      subset: subset?.name ?? '',
      port: port.number,
      portName: port.name,
      targetPort: port.targetPort,
    }),
    name,
    metadata: metadataOf({
      origin: subset?.origin ?? (isOfPolicy ? policy.origin : service.origin),
      field: subset?.field ?? (isOfPolicy ? 'spec' : portField(view, port)),
      services: [service],
      subset: subset?.name,
    }),
  }
}

/** Field by field, as Istio fills in keep-alive and the upgrade to HTTP/2. */
function poolWithDefaults(pool: ConnectionPool = {}, { keepalive, upgradesToHttp2 }: MeshSettings): ConnectionPool {
  return {
    ...(upgradesToHttp2 ? { httpVersion: 'upgrade' } : {}),
    ...pool,
    ...(keepalive === undefined ? {} : { keepalive: { ...keepalive, ...pool.keepalive } }),
  }
}

function hasBlocks(blocks: PolicyBlocks): boolean {
  return Object.keys(blocks).length > 0
}

function discoveryOf(
  { service, endpoints }: ServiceView,
  port: ServicePort,
  subset: Subset | undefined,
  name: string,
  isPassthrough: boolean,
  settings: MeshSettings,
): Cluster {
  if (isPassthrough) return { type: 'ORIGINAL_DST', lbPolicy: 'CLUSTER_PROVIDED' }
  if (service.resolution === 'endpoints') return { type: 'EDS', edsClusterConfig: { edsConfig: ADS, serviceName: name } }
  const members = endpoints.ports.find((each) => each.port === port.number)?.endpoints ?? []
  return {
    type: service.resolution === 'dns' ? 'STRICT_DNS' : 'LOGICAL_DNS',
    loadAssignment: loadAssignment(name, members, subset, settings),
    dnsLookupFamily: 'V4_PREFERRED',
    dnsRefreshRate: settings.dnsRefreshMs,
    respectDnsTtl: true,
  }
}

function portField({ service }: ServiceView, port: ServicePort): string {
  return `spec.ports[${service.ports.indexOf(port)}]`
}
