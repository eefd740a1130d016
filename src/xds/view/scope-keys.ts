// What the parts of a scope's configuration depend on, as keys: parts with equal keys are equal, so they are made once for all scopes.
// Used by scope-view.ts. Invariant: whatever generate reads for a part stands in the part's key.
import { isHttp } from '../../model/service.ts'
import { asksForPlace } from './client-place.ts'
import { headlessHosts } from './headless-hosts.ts'
import { joinedKey, objectKey } from './object-key.ts'
import type { ScopeKeys, ScopeView, ServiceView } from './proxy-view.ts'

export function keysOf(scope: Omit<ScopeView, 'keys'>): ScopeKeys {
  const { namespace, capture, isStock, discoversVirtualHosts, settings, outboundTraffic, services, foreignRoutes } = scope
  const common = `${capture} ${isStock} ${objectKey(settings)} ${keyOf(scope.egressProxy)}`
  const at = scope.place?.key ?? ''
  const parts = services.map((view) => keyPartsOf(view, at))
  return {
    clusters: joinedKey([common, ...parts.map(({ clusters }) => clusters)]),
    endpoints: joinedKey([common, ...parts.map(({ endpoints }) => endpoints)]),
    listeners: joinedKey([common, outboundTraffic, ...parts.map(({ listeners }) => listeners)]),
    routes: joinedKey([
      `${common} ${discoversVirtualHosts}`,
      outboundTraffic,
      namespace,
      ...parts.map(({ routes }) => routes),
      ...foreignRoutes.map(objectKey),
    ]),
  }
}

export interface ChangedService {
  readonly before: ServiceView
  readonly after: ServiceView
}

/** The keys of before and the parts that differ: scopes that had a key in common and change alike go on having it. */
export function patchedKeys({ keys, place }: ScopeView, changed: readonly ChangedService[]): ScopeKeys {
  const at = place?.key ?? ''
  const patch = (part: keyof ScopeKeys): string => {
    const steps = changed.flatMap(({ before, after }) => {
      const [old, now] = [keyPartsOf(before, at)[part], keyPartsOf(after, at)[part]]
      return old === now ? [] : [`${old} -> ${now}`]
    })
    return steps.length === 0 ? keys[part] : joinedKey([keys[part], ...steps])
  }
  return { clusters: patch('clusters'), endpoints: patch('endpoints'), listeners: patch('listeners'), routes: patch('routes') }
}

interface KeyParts {
  readonly clusters: string
  readonly endpoints: string
  readonly listeners: string
  readonly routes: string
}

const keyParts = new WeakMap<ServiceView, KeyParts>()

function keyPartsOf(view: ServiceView, place: string): KeyParts {
  const known = keyParts.get(view) ?? partsAnywhere(view)
  keyParts.set(view, known)
  if (place === '' || !asksForPlace(view.policy)) return known
  const { clusters, endpoints } = known
  return {
    ...known,
    clusters: isResolvedByDns(view.service.resolution) ? `${clusters} ${place}` : clusters,
    endpoints: `${endpoints} ${place}`,
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
    // Connections are routed by listeners, requests by tables.
    listeners: service.ports.every(({ protocol }) => isHttp(protocol))
      ? common
      : `${common} ${keyOf(route)} ${(headlessHosts(view) ?? []).join(' ')}`,
    routes: `${common} ${keyOf(route)}`,
  }
}

function isResolvedByDns(resolution: ServiceView['service']['resolution']): boolean {
  return resolution === 'dns' || resolution === 'logical-dns'
}

function keyOf(object: object | undefined): string {
  return object === undefined ? '-' : objectKey(object)
}
