// Who answers for each cluster: one load assignment per service port and subset. Shared by all proxies of a scope, and by those of all
// scopes, whatever their place, where no rule asks for it.
// Endpoints change most often; nothing else of a proxy is touched by that.
import { createWeakMemo } from '../../base/weak-memo.ts'
import type {
  ClusterLoadAssignment,
  Endpoint as EnvoyEndpoint,
  JsonObject,
  LbEndpoint,
  LocalityLbEndpoints,
} from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName } from '../../envoy/names.ts'
import { hasLabels, type Subset } from '../../model/destination-policy.ts'
import { placementOf } from '../../model/load-balancing.ts'
import { type Endpoint, type Locality, NO_LOCALITY } from '../../model/service.ts'
import { type EffectivePolicy, NO_TRAFFIC_POLICY, policyFor } from '../../model/traffic-policy.ts'
import { asksForPlace } from '../view/client-place.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import { type LocalityGroup, placed } from './placement.ts'
import type { Resource } from './resources.ts'
import { socketAddress } from './socket-address.ts'

export function endpoints(scope: ScopeView): readonly Resource[] {
  return scope.services.flatMap((view) => assignmentsOf(view, scope))
}

const madeFor = createWeakMemo<Map<string, readonly Resource[]>>()

/** The same objects as long as what they are made from is, so that a change of one service is encoded for that service alone. */
function assignmentsOf(view: ServiceView, scope: ScopeView): readonly Resource[] {
  const { service, policy } = view
  if (service.resolution !== 'endpoints') return []
  const made = madeFor([view, scope.settings], () => new Map())
  const key = `${scope.isStock} ${asksForPlace(policy) ? scope.place?.key : ''}`
  const known =
    made.get(key) ??
    service.ports.flatMap(({ number }) =>
      [undefined, ...(policy?.subsets ?? [])].flatMap((subset): readonly Resource[] => {
        const effective = policyFor(policy?.traffic ?? NO_TRAFFIC_POLICY, subset?.traffic, number)
        if (effective.balancing?.algorithm === 'passthrough') return []
        const name = outboundClusterName(number, subset?.name ?? '', service.hostname)
        const message = loadAssignment(name, { view, port: number, subset, policy: effective }, scope)
        return [{ type: 'envoy.config.endpoint.v3.ClusterLoadAssignment', name, message }]
      }),
    )
  made.set(key, known)
  return known
}

export interface Members {
  readonly view: ServiceView
  readonly port: number
  readonly subset: Subset | undefined
  /** What holds for this port of this subset. */
  readonly policy: EffectivePolicy
}

/** Also of clusters that carry their endpoints themselves (DNS). */
export function loadAssignment(clusterName: string, members: Members, scope: AssignedScope): ClusterLoadAssignment {
  const { view, port, subset, policy } = members
  const { cluster } = scope.settings
  const all = view.endpoints.ports.find((each) => each.port === port)?.endpoints ?? []
  const called = callable(all, policy, scope.isStock)
  const selected = subset === undefined ? called : called.filter(({ labels }) => hasLabels(labels, subset.labels))
  // Of a name of which one address is used at a time, Envoy wants one endpoint, wherever it is.
  const placement = view.service.resolution === 'logical-dns' ? undefined : placementOf(policy)
  const groups = placed(byLocality(answering(selected)), placement, scope.place, cluster)
  return { clusterName, endpoints: groups.map((group) => localityOf(group, cluster, scope.isStock)) }
}

export type AssignedScope = Pick<ScopeView, 'settings' | 'isStock' | 'place'>

/** Below a share of healthy endpoints that a rule sets, Envoy calls all of them; those that are not ready are none of them (Istio). */
function callable(all: readonly Endpoint[], { outliers }: EffectivePolicy, isStock: boolean): readonly Endpoint[] {
  const panics = isStock && (outliers?.minHealthPercent ?? 0) > 0
  return panics ? all.filter(({ health }) => health !== 'unhealthy') : all
}

/** When nobody else answers, those on their way out do, as long as they last: the same service called through kube-proxy would go to them
 *  (Kubernetes: 'Traffic to terminating endpoints'). Of a cluster, not of a service: what a subset's client asks is whether the subset answers. */
function answering(members: readonly Endpoint[]): readonly Endpoint[] {
  if (members.some(({ health }) => health === 'healthy')) return members
  return members.map((member) => (member.health === 'draining' ? { ...member, health: 'healthy' } : member))
}

/** Localities in the order of their names, each with the weight of its endpoints. */
function byLocality(endpoints: readonly Endpoint[]): readonly LocalityGroup[] {
  return [...Map.groupBy(endpoints, ({ locality }) => localityName(locality))]
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([, group]) => ({
      locality: group[0]?.locality ?? NO_LOCALITY,
      endpoints: group,
      weight: group.reduce((sum, { weight }) => sum + weight, 0),
      priority: 0,
    }))
}

function localityOf(
  { locality: { region, zone, subzone }, endpoints, weight, priority }: LocalityGroup,
  cluster: string,
  isStock: boolean,
): LocalityLbEndpoints {
  return {
    locality: { region, zone, subZone: subzone },
    lbEndpoints: endpoints.map((endpoint) => lbEndpointOf(endpoint, cluster, isStock)),
    loadBalancingWeight: weight,
    ...(priority === 0 ? {} : { priority }),
  }
}

function localityName({ region, zone, subzone }: Locality): string {
  return `${region}/${zone}/${subzone}`
}

const HEALTH = { healthy: 'HEALTHY', unhealthy: 'UNHEALTHY', draining: 'DRAINING' } as const

function lbEndpointOf(endpoint: Endpoint, cluster: string, isStock: boolean): LbEndpoint {
  const { name, namespace, app, version } = endpoint.workload
  const transport: { readonly [key: string]: JsonObject } = endpoint.acceptsMutualTls
    ? { 'envoy.transport_socket_match': { tlsMode: 'istio' } }
    : {}
  return {
    endpoint: { address: socketAddress(endpoint), ...(isStock ? otherAddresses(endpoint) : {}) },
    healthStatus: HEALTH[endpoint.health],
    metadata: { filterMetadata: { ...transport, istio: { workload: [name, namespace, app, version, cluster].join(';') } } },
    loadBalancingWeight: endpoint.weight,
  }
}

/** Tried side by side (Envoy: Happy Eyeballs). Our own proxies call the first. */
function otherAddresses({ otherHosts = [], port }: Endpoint): Pick<EnvoyEndpoint, 'additionalAddresses'> {
  if (otherHosts.length === 0) return {}
  return { additionalAddresses: otherHosts.map((host) => ({ address: socketAddress({ host, port }) })) }
}
