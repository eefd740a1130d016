// The shared part of a view: once per snapshot, namespace and kind of capture, whatever the number of proxies. Called by viewFor.
// Every namespace sees every service so far; what narrows it (exportTo, Sidecar) belongs here and changes nothing behind it.
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { TrafficRoute } from '../../model/traffic-route.ts'
import type { Capture } from '../../model/workload.ts'
import { joinedKey, objectKey } from './object-key.ts'
import type { ScopeView, ServiceView } from './proxy-view.ts'

const NONE: readonly string[] = []
const scopes = new WeakMap<MeshSnapshot, Map<string, ScopeView>>()

export function scopeFor(snapshot: MeshSnapshot, namespace: string, capture: Capture['kind']): ScopeView {
  const known = scopes.get(snapshot) ?? new Map<string, ScopeView>()
  scopes.set(snapshot, known)
  const name = `${capture} ${namespace}`
  const scope = known.get(name) ?? buildScope(snapshot, namespace, capture)
  known.set(name, scope)
  return scope
}

function buildScope(snapshot: MeshSnapshot, namespace: string, capture: Capture['kind']): ScopeView {
  const wildcards = [...snapshot.routes.values()].filter(({ host }) => host.startsWith('*'))
  const services = [...snapshot.services.values()].map((service): ServiceView => {
    const { hostname } = service
    return {
      service,
      identities: snapshot.endpoints.get(hostname)?.identities ?? NONE,
      policy: snapshot.policies.get(hostname),
      route: snapshot.routes.get(hostname) ?? coveringRoute(wildcards, hostname),
    }
  })
  const foreignRoutes = [...snapshot.routes.values()].filter(({ host }) => !snapshot.services.has(host))
  return {
    key: joinedKey([namespace, capture, objectKey(snapshot.settings), ...services.map(serviceKey), ...foreignRoutes.map(objectKey)]),
    endpointsKey: joinedKey([...services.map(policyKey), ...[...snapshot.endpoints.values()].map(objectKey), objectKey(snapshot.settings)]),
    namespace,
    capture,
    settings: snapshot.settings,
    services,
    foreignRoutes,
    endpoints: snapshot.endpoints,
  }
}

function serviceKey({ service, identities, policy, route }: ServiceView): string {
  return [objectKey(service), identities.join(' '), keyOf(policy), keyOf(route)].join(' ')
}

function policyKey({ policy }: ServiceView): string {
  return keyOf(policy)
}

function keyOf(object: object | undefined): string {
  return object === undefined ? '-' : objectKey(object)
}

/** The longest wildcard that covers the host (Istio: the most specific host wins; an exact one was looked up before). */
function coveringRoute(wildcards: readonly TrafficRoute[], hostname: string): TrafficRoute | undefined {
  let best: TrafficRoute | undefined
  for (const route of wildcards) {
    if (hostname.endsWith(route.host.slice(1)) && (best === undefined || route.host.length > best.host.length)) best = route
  }
  return best
}
