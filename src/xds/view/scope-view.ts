// The shared part of a view: once per snapshot and per set of clients that see the same, whatever the number of proxies. Called by viewFor.
// Invariant: what is the same in two scopes is the same object in both, and its part of the configuration has the same key.
import { createWeakMemo } from '../../base/weak-memo.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { ServiceEndpoints } from '../../model/service.ts'
import { choosePolicy, selectingPolicies } from './choose-policy.ts'
import { chooseRoute, foreignRoutes, selectingRoutes } from './choose-route.ts'
import { chooseServices, chooseSidecar } from './choose-services.ts'
import type { Client } from './client.ts'
import { asksForPlace, type ClientPlace, placeFor } from './client-place.ts'
import { joinedKey, objectKey } from './object-key.ts'
import type { ScopeKeys, ScopeView, ServiceView } from './proxy-view.ts'
import { routedPolicies } from './routed-policies.ts'

const scopes = new WeakMap<MeshSnapshot, Map<string, ScopeView>>()

export function scopeFor(snapshot: MeshSnapshot, client: Client): ScopeView {
  const known = scopes.get(snapshot) ?? new Map<string, ScopeView>()
  scopes.set(snapshot, known)
  const sidecar = chooseSidecar(snapshot, client)
  const { capture, isStock, discoversVirtualHosts, namespace } = client
  const place = placeFor(snapshot, client)
  const name = [
    `${capture} ${isStock} ${discoversVirtualHosts} ${namespace}`,
    sidecar === undefined ? '' : `${sidecar.origin.namespace}/${sidecar.origin.name}`,
    selectingPolicies(snapshot, client),
    selectingRoutes(snapshot, client),
    place?.key,
  ].join('\n')
  const scope = known.get(name) ?? buildScope(snapshot, client, place, sidecar)
  known.set(name, scope)
  return scope
}

function buildScope(
  snapshot: MeshSnapshot,
  client: Client,
  place: ClientPlace | undefined,
  sidecar: ReturnType<typeof chooseSidecar>,
): ScopeView {
  const services = chooseServices(snapshot, client, sidecar).map(({ key, service }): ServiceView => {
    const endpoints = snapshot.endpoints.get(key) ?? nobody(service.hostname)
    const policy = choosePolicy(snapshot, client, service)
    const route = chooseRoute(snapshot, client, service.hostname)
    return serviceViews([service, endpoints, policy ?? NONE, route ?? NONE], () => ({ service, endpoints, policy, route }))
  })
  const { settings } = snapshot
  const { namespace, capture, isStock, discoversVirtualHosts } = client
  const scope = {
    namespace,
    capture,
    isStock,
    discoversVirtualHosts,
    settings,
    outboundTraffic: sidecar?.outboundTraffic ?? settings.outboundTraffic,
    place,
    routedPolicies: routedPolicies(services, isStock),
    egressProxy: sidecar?.egressProxy,
    services,
    foreignRoutes: foreignRoutes(snapshot, client, sidecar),
  }
  return { ...scope, keys: keysOf(scope) }
}

const NONE: object = {}
const serviceViews = createWeakMemo<ServiceView>()

function nobody(hostname: string): ServiceEndpoints {
  return { hostname, identities: [], allTakeMutualTls: false, ports: [] }
}

function keysOf(scope: Omit<ScopeView, 'keys'>): ScopeKeys {
  const { namespace, capture, isStock, discoversVirtualHosts, settings, outboundTraffic, services, foreignRoutes } = scope
  const common = `${capture} ${isStock} ${objectKey(settings)} ${keyOf(scope.egressProxy)}`
  const at = scope.place?.key ?? ''
  const parts = services.map((view) => keyPartsOf(view, at))
  return {
    clusters: joinedKey([common, ...parts.map(({ clusters }) => clusters)]),
    endpoints: joinedKey([common, ...parts.map(({ endpoints }) => endpoints)]),
    listeners: joinedKey([common, outboundTraffic, ...parts.map(({ routes }) => routes)]),
    routes: joinedKey([
      `${common} ${discoversVirtualHosts}`,
      outboundTraffic,
      namespace,
      ...parts.map(({ routes }) => routes),
      ...foreignRoutes.map(objectKey),
    ]),
  }
}

interface KeyParts {
  readonly clusters: string
  readonly endpoints: string
  readonly routes: string
}

const keyParts = new WeakMap<ServiceView, KeyParts>()

function keyPartsOf(view: ServiceView, place: string): KeyParts {
  const known = keyParts.get(view) ?? partsAnywhere(view)
  keyParts.set(view, known)
  if (place === '' || !asksForPlace(view.policy)) return known
  const { clusters, endpoints, routes } = known
  return {
    clusters: isResolvedByDns(view.service.resolution) ? `${clusters} ${place}` : clusters,
    endpoints: `${endpoints} ${place}`,
    routes,
  }
}

function partsAnywhere(view: ServiceView): KeyParts {
  const { service, endpoints, policy, route } = view
  const common = `${objectKey(service)} ${keyOf(policy)}`
  // A cluster that resolves names carries its endpoints itself.
  const own = isResolvedByDns(service.resolution) ? objectKey(endpoints) : `${endpoints.allTakeMutualTls} ${endpoints.identities.join(' ')}`
  return {
    clusters: `${common} ${own}`,
    endpoints: `${common} ${objectKey(endpoints)}`,
    routes: `${common} ${keyOf(route)}`,
  }
}

function isResolvedByDns(resolution: ServiceView['service']['resolution']): boolean {
  return resolution === 'dns' || resolution === 'logical-dns'
}

function keyOf(object: object | undefined): string {
  return object === undefined ? '-' : objectKey(object)
}
