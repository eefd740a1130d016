// Which VirtualService counts for a client and a host: of several claims the one that its namespace obeys; the exact host before the
// longest wildcard (Istio's order). Routes for other clients are left out. Called by scope-view.ts; indexed once per snapshot.
import { isForClient } from '../../model/client-match.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import { obeyedBy } from '../../model/route-precedence.ts'
import type { SidecarScope } from '../../model/sidecar-scope.ts'
import type { TrafficRoute } from '../../model/traffic-route.ts'
import { importsHost } from './choose-services.ts'
import type { Client } from './client.ts'

interface RouteIndex {
  /** Claims to one host each; the longest first. */
  readonly wildcards: readonly (readonly [host: string, claims: readonly TrafficRoute[]])[]
  /** Those with routes that are for some clients only. */
  readonly selecting: readonly TrafficRoute[]
}

const indices = new WeakMap<object, RouteIndex>()

export function chooseRoute({ routes }: MeshSnapshot, client: Client, hostname: string): TrafficRoute | undefined {
  if (routes.size === 0) return undefined
  const found = obeyedBy(client.namespace, routes.get(hostname) ?? []) ?? covering(indexOf(routes).wildcards, client, hostname)
  return found === undefined ? undefined : forClient(found, client)
}

/** For hosts that no service of the mesh has, as far as they are imported: by host, sorted. A service that the client may not know is not
 *  known by its routes either. */
export function foreignRoutes(
  { routes, services }: MeshSnapshot,
  client: Client,
  sidecar: SidecarScope | undefined,
): readonly TrafficRoute[] {
  return [...routes].flatMap(([host, claims]) => {
    const found = services.has(host) ? undefined : obeyedBy(client.namespace, claims)
    if (found === undefined || (sidecar !== undefined && !importsHost(sidecar, host, found.origin.namespace))) return []
    return [forClient(found, client)]
  })
}

/** Which of these routes for some clients are for this one: part of the name of its scope. */
export function keptRoutes(selecting: readonly TrafficRoute[], client: Client): string {
  return selecting.map((route) => keptOf(route, client)).join(' ')
}

/** Routes for some clients only. The same object while they are the same: most changes of routes are none of these. */
export function selectingRoutes({ routes }: Pick<MeshSnapshot, 'routes'>): readonly TrafficRoute[] {
  return indexOf(routes).selecting
}

function covering(wildcards: RouteIndex['wildcards'], client: Client, hostname: string): TrafficRoute | undefined {
  for (const [host, claims] of wildcards) {
    const found = hostname.endsWith(host.slice(1)) ? obeyedBy(client.namespace, claims) : undefined
    if (found !== undefined) return found
  }
  return undefined
}

const narrowed = new WeakMap<TrafficRoute, Map<string, TrafficRoute>>()

/** The same object for all clients for whom the same routes are. */
function forClient(route: TrafficRoute, client: Client): TrafficRoute {
  if (!isSelecting(route)) return route
  const kept = keptOf(route, client)
  const known = narrowed.get(route) ?? new Map<string, TrafficRoute>()
  narrowed.set(route, known)
  const found = known.get(kept) ?? {
    ...route,
    http: route.http.filter(({ match }) => isForClient(match.client, client)),
    l4: route.l4.filter((each) => isForClient(each.client, client)),
  }
  known.set(kept, found)
  return found
}

function keptOf(route: TrafficRoute, client: Client): string {
  return [...route.http.map(({ match }) => match.client), ...route.l4.map((each) => each.client)]
    .map((each) => (isForClient(each, client) ? '1' : '0'))
    .join('')
}

function isSelecting({ http, l4 }: TrafficRoute): boolean {
  return http.some(({ match }) => match.client !== undefined) || l4.some(({ client }) => client !== undefined)
}

function indexOf(routes: MeshSnapshot['routes']): RouteIndex {
  const known = indices.get(routes)
  if (known !== undefined) return known
  const selecting = [...routes.values()].flat().filter(isSelecting)
  if (selecting.length !== newestSelecting.length || selecting.some((route, index) => route !== newestSelecting[index])) {
    newestSelecting = selecting
  }
  const made: RouteIndex = {
    wildcards: [...routes].filter(([host]) => host.startsWith('*')).sort(([a], [b]) => b.length - a.length),
    selecting: newestSelecting,
  }
  indices.set(routes, made)
  return made
}

let newestSelecting: readonly TrafficRoute[] = []
