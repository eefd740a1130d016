// The shared part of a view: once per snapshot and per set of clients that see the same, whatever the number of proxies. Called by viewFor.
// Invariants: what is the same in two scopes is the same object in both, and its part of the configuration has the same key; a scope in
// which nothing has changed since the snapshot before is the same object.
import { createWeakMemo } from '../../base/weak-memo.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { ServiceEndpoints } from '../../model/service.ts'
import type { SidecarScope } from '../../model/sidecar-scope.ts'
import { choosePolicy } from './choose-policy.ts'
import { chooseRoute, foreignRoutes } from './choose-route.ts'
import { chooseServices, type KnownService } from './choose-services.ts'
import type { Client } from './client.ts'
import type { ClientPlace } from './client-place.ts'
import type { ScopeView, ServiceView } from './proxy-view.ts'
import { routedPolicies } from './routed-policies.ts'
import { type KnownScope, recordDerivation, scopesOf } from './scope-history.ts'
import { type ChangedService, keysOf, patchedKeys } from './scope-keys.ts'
import type { ScopeName } from './scope-name.ts'

export function scopeFor(snapshot: MeshSnapshot, client: Client, { name, sidecar, place }: ScopeName): ScopeView {
  const { known, before } = scopesOf(snapshot)
  const found = known.get(name)
  if (found !== undefined) return found.scope
  const last = before?.known.get(name)
  const made =
    before !== undefined && last !== undefined && last.sidecar === sidecar
      ? patched(last, before.changed, snapshot, client)
      : buildScope(snapshot, client, place, sidecar)
  known.set(name, made)
  return made.scope
}

/** Costs what has changed, whatever the size of the scope. */
function patched(last: KnownScope, changed: ReadonlySet<string>, snapshot: MeshSnapshot, client: Client): KnownScope {
  const pairs: ChangedService[] = []
  const services = [...last.scope.services]
  for (const hostname of changed) {
    const position = last.positions.get(hostname)
    const before = position === undefined ? undefined : services[position]
    if (position === undefined || before === undefined) continue
    const after = serviceView(snapshot, client, { key: last.keys[position] ?? '', service: before.service })
    if (after === before) continue
    services[position] = after
    pairs.push({ before, after })
  }
  if (pairs.length === 0) return last
  const scope: ScopeView = { ...last.scope, services, keys: patchedKeys(last.scope, pairs) }
  recordDerivation(scope, { from: last.scope, changed: pairs.map(({ after }) => after) })
  return { ...last, scope }
}

function buildScope(snapshot: MeshSnapshot, client: Client, place: ClientPlace | undefined, sidecar: SidecarScope | undefined): KnownScope {
  const chosen = chooseServices(snapshot, client, sidecar)
  const services = chosen.map((each) => serviceView(snapshot, client, each))
  const positions = new Map(services.map(({ service }, position) => [service.hostname, position]))
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
    structure: positions,
    foreignRoutes: obeysRoutes(client) ? foreignRoutes(snapshot, client, sidecar) : [],
  }
  return { scope: { ...scope, keys: keysOf(scope) }, sidecar, keys: chosen.map(({ key }) => key), positions }
}

function serviceView(snapshot: MeshSnapshot, client: Client, { key, service }: KnownService): ServiceView {
  const endpoints = snapshot.endpoints.get(key) ?? nobody(service.hostname)
  const policy = choosePolicy(snapshot, client, service)
  const route = obeysRoutes(client) ? chooseRoute(snapshot, client, service.hostname) : undefined
  return serviceViews([service, endpoints, policy ?? NONE, route ?? NONE], () => ({ service, endpoints, policy, route }))
}

/** A gateway forwards for others and calls nobody itself: routes of the mesh say nothing to it, and are none of its concern. */
function obeysRoutes({ capture }: Client): boolean {
  return capture !== 'gateway'
}

const NONE: object = {}
const serviceViews = createWeakMemo<ServiceView>()

function nobody(hostname: string): ServiceEndpoints {
  return { hostname, identities: [], allTakeMutualTls: false, ports: [] }
}
