// One cluster per service port, and one per subset of it. Shared by all proxies of a scope, and made once per service.
// Invariant: mutual TLS is chosen per endpoint (automatic mTLS): an endpoint that says tlsMode=istio is never called in plaintext, unless
// a DestinationRule says so.
import { createWeakMemo } from '../../base/weak-memo.ts'
import type { Cluster } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName } from '../../envoy/names.ts'
import type { Subset } from '../../model/destination-policy.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { ServicePort } from '../../model/service.ts'
import { type ConnectionPool, type EffectivePolicy, NO_TRAFFIC_POLICY, policyFor } from '../../model/traffic-policy.ts'
import { asksForPlace } from '../view/client-place.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import { policyFields } from './cluster-policy.ts'
import { ADS } from './config-source.ts'
import { loadAssignment, type Members } from './endpoints.ts'
import { metadataOf } from './metadata.ts'
import type { Resource } from './resources.ts'
import { statName } from './stat-name.ts'
import { spokenTo } from './upstream-protocol.ts'
import { type TransportContext, transportFields } from './upstream-transport.ts'

export function outboundClusters(scope: ScopeView): readonly Resource[] {
  return scope.services.flatMap((view) => clustersOf(view, scope))
}

const madeFor = createWeakMemo<Map<string, readonly Resource[]>>()

/** The same objects as long as what they are made from is, so that they are encoded once. */
function clustersOf(view: ServiceView, scope: ScopeView): readonly Resource[] {
  const made = madeFor([view, scope.settings], () => new Map())
  const carriesEndpoints = view.service.resolution !== 'endpoints'
  const place = carriesEndpoints && asksForPlace(view.policy) ? scope.place?.key : ''
  const key = `${scope.isStock} ${scope.capture === 'gateway'} ${place}`
  const known =
    made.get(key) ??
    view.service.ports.flatMap((port) =>
      [undefined, ...(view.policy?.subsets ?? [])].map((subset): Resource => {
        const message = clusterOf(view, port, subset, scope)
        return { type: 'envoy.config.cluster.v3.Cluster', name: message.name, message }
      }),
    )
  made.set(key, known)
  return known
}

function clusterOf(
  view: ServiceView,
  port: ServicePort,
  subset: Subset | undefined,
  scope: ScopeView,
): Cluster & { readonly name: string } {
  const { service, policy } = view
  const { settings, isStock } = scope
  const name = outboundClusterName(port.number, subset?.name ?? '', service.hostname)
  const effective = policyFor(policy?.traffic ?? NO_TRAFFIC_POLICY, subset?.traffic, port.number)
  const { tls, proxyProtocol, balancing } = effective
  const isPassthrough = service.resolution === 'passthrough' || balancing?.algorithm === 'passthrough'
  const secretsFrom = scope.capture === 'gateway' ? 'control plane' : policy?.clients === undefined ? undefined : 'bootstrap'
  const pool = poolWithDefaults(effective.pool, settings)
  const spoken = spokenTo(port.protocol, pool, scope.capture === 'gateway')
  // Offered is what may be spoken: a gateway passes octets on to the same cluster.
  const of = { view, port: { ...port, protocol: spokenTo(port.protocol, pool) }, subset: subset?.name ?? '', settings, isStock }
  const transport: TransportContext = { ...of, tls, proxyProtocol, isPassthrough, secretsFrom }
  const isOfPolicy = policy !== undefined && (subset !== undefined || hasBlocks(effective) || policy.subsets.length > 0)
  return {
    ...discoveryOf(name, { view, port: port.number, subset, policy: effective }, isPassthrough, scope),
    ...policyFields({ ...effective, pool }, { settings, isStock, protocol: spoken, isPassthrough }),
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

function hasBlocks(policy: EffectivePolicy): boolean {
  return Object.keys(policy).length > 0
}

function discoveryOf(name: string, members: Members, isPassthrough: boolean, scope: ScopeView): Cluster {
  const { resolution } = members.view.service
  if (isPassthrough) return { type: 'ORIGINAL_DST', lbPolicy: 'CLUSTER_PROVIDED' }
  if (resolution === 'endpoints') return { type: 'EDS', edsClusterConfig: { edsConfig: ADS, serviceName: name } }
  const assignment = loadAssignment(name, members, scope)
  // Envoy wants exactly one name to use one address of: a subset without it has nobody, and is called as such.
  const isLogical = resolution === 'logical-dns' && (assignment.endpoints ?? []).length === 1
  return {
    type: isLogical ? 'LOGICAL_DNS' : 'STRICT_DNS',
    loadAssignment: assignment,
    dnsLookupFamily: 'V4_PREFERRED',
    dnsRefreshRate: scope.settings.dnsRefreshMs,
    respectDnsTtl: true,
  }
}

function portField({ service }: ServiceView, port: ServicePort): string {
  return `spec.ports[${service.ports.indexOf(port)}]`
}
