// Route tables of a gateway: the hosts of its servers met with the hosts of what is bound to them. Called per gateway workload.
// Istio's rules: the narrower name of the two; several VirtualServices for one host are joined, the older first, with routes for
// everything moved to the end; a host that nothing is bound to is answered 404.
import type { RouteConfiguration, VirtualHost } from '../../envoy/generated/messages.gen.ts'
import { gatewayHttpRouteConfigName, gatewayHttpsRouteConfigName, virtualHostName } from '../../envoy/names.ts'
import type { GatewayRoute, GatewayServer } from '../../model/gateway.ts'
import { hostIntersection } from '../../model/host-intersection.ts'
import type { Origin } from '../../model/origin.ts'
import { type HttpRoute, matchesEverything } from '../../model/traffic-route.ts'
import type { BoundServer, GatewayListener } from '../view/gateway-view.ts'
import type { ProxyView } from '../view/proxy-view.ts'
import { metadataOf } from './metadata.ts'
import { MAX_BODY_BYTES } from './outbound-routes.ts'
import type { Resource } from './resources.ts'
import { userRoutes } from './virtual-hosts.ts'

export function gatewayRoutes(view: ProxyView): readonly Resource[] {
  return (view.gateway?.listeners ?? []).flatMap((listener) =>
    tablesOf(listener).map(({ name, servers, scheme }): Resource => {
      const message: RouteConfiguration = {
        name,
        virtualHosts: virtualHosts(servers, listener.port, scheme, view.scope),
        validateClusters: false,
        ignorePortInHostMatching: true,
        maxDirectResponseBodySizeBytes: MAX_BODY_BYTES,
      }
      return { type: 'envoy.config.route.v3.RouteConfiguration', name, message }
    }),
  )
}

interface GatewayTable {
  readonly name: string
  readonly servers: readonly BoundServer[]
  readonly scheme: 'http' | 'https'
}

/** All plaintext servers of a port share one; each that ends TLS has its own. */
function tablesOf({ kind, port, servers }: GatewayListener): readonly GatewayTable[] {
  if (kind === 'http') return [{ name: gatewayHttpRouteConfigName(port), servers, scheme: 'http' }]
  return servers.filter(endsHttps).map((server) => ({ name: httpsTableName(server, port), servers: [server], scheme: 'https' }))
}

export function endsHttps({ server }: BoundServer): boolean {
  return server.protocol === 'https' && server.tls?.mode !== 'passthrough'
}

export function httpsTableName({ gateway, server }: BoundServer, port: number): string {
  return gatewayHttpsRouteConfigName(port, server.portName, gateway.name, gateway.namespace)
}

interface DraftHost {
  readonly routes: HttpRoute[]
  readonly origin: Origin
  redirects: boolean
}

function virtualHosts(
  servers: readonly BoundServer[],
  port: number,
  scheme: GatewayTable['scheme'],
  { isStock, routedPolicies, settings }: ProxyView['scope'],
): readonly VirtualHost[] {
  const drafts = new Map<string, DraftHost>()
  const draftFor = (host: string, origin: Origin): DraftHost => {
    const draft = drafts.get(host) ?? { routes: [], origin, redirects: false }
    drafts.set(host, draft)
    return draft
  }
  for (const { server, gateway, routes } of servers) {
    for (const route of routes.filter(({ http }) => http.length > 0)) {
      for (const host of commonHosts(server, route)) {
        const draft = draftFor(host, route.origin)
        draft.routes.push(...route.http)
        draft.redirects ||= server.redirectsToHttps
      }
    }
    // Also for hosts that nothing is bound to: whoever asks over plaintext is sent to https.
    if (server.redirectsToHttps) for (const { host } of server.hosts) draftFor(host, gateway.origin).redirects = true
  }
  if (drafts.size === 0) return [blackHole(port)]
  return [...drafts].map(([host, { routes, origin, redirects }]): VirtualHost => {
    const ordered = [...routes.filter((route) => !isForEverything(route)), ...routes.filter(isForEverything)]
    return {
      name: virtualHostName(host, port),
      domains: [host],
      routes: userRoutes(ordered, { port, scheme, isStock, routedPolicies, settings }),
      includeRequestAttemptCount: true,
      ...(redirects ? { requireTls: 'ALL' } : {}),
      metadata: metadataOf({ origin }),
    }
  })
}

/** The names under which a server exposes a VirtualService, each once. */
function commonHosts(server: GatewayServer, route: GatewayRoute): ReadonlySet<string> {
  const open = server.hosts.filter(({ namespace }) => namespace === '*' || namespace === route.origin.namespace)
  return new Set(open.flatMap(({ host }) => route.hosts.flatMap((own) => hostIntersection(host, own) ?? [])))
}

/** A gateway's clients have no labels that it could ask for. */
function isForEverything({ match }: HttpRoute): boolean {
  return matchesEverything({ ...match, client: undefined })
}

function blackHole(port: number): VirtualHost {
  const route = { name: 'blackhole', match: { prefix: '/' }, directResponse: { status: 404 } }
  return { name: `blackhole:${port}`, domains: ['*'], routes: [route] }
}
