// Listeners of a gateway: one per address and port. Plaintext HTTP is one chain; TLS is one chain per server, chosen by server name;
// what is passed through unread is one chain per route.
// Invariant: no two chains match alike (Envoy refuses the listener); the older gateway has the name.
import type { Filter, FilterChain, Listener } from '../../envoy/generated/messages.gen.ts'
import { gatewayHttpRouteConfigName, listenerName } from '../../envoy/names.ts'
import { hostIntersection } from '../../model/host-intersection.ts'
import type { L4Route } from '../../model/l4-route.ts'
import type { BoundServer, GatewayListener } from '../view/gateway-view.ts'
import type { ProxyView } from '../view/proxy-view.ts'
import { autoPassthroughChains } from './auto-passthrough.ts'
import { ADS } from './config-source.ts'
import { endsHttps, httpsTableName } from './gateway-routes.ts'
import { gatewayTransport } from './gateway-tls.ts'
import { ChainBook, forwardTo } from './l4-chains.ts'
import { TLS_INSPECTOR } from './listener-filters.ts'
import { metadataOf } from './metadata.ts'
import type { Resource } from './resources.ts'
import { clusterOf } from './route-action.ts'
import { socketAddress } from './socket-address.ts'
import { httpManager, routeFilters } from './terminal-filters.ts'

export function gatewayListeners(view: ProxyView): readonly Resource[] {
  return (view.gateway?.listeners ?? []).flatMap((listener) => {
    const filterChains = chainsOf(listener, view)
    if (filterChains.length === 0) return []
    const name = listenerName(listener.bind, listener.port)
    const message: Listener = {
      name,
      address: socketAddress({ host: listener.bind, port: listener.port }),
      trafficDirection: 'OUTBOUND',
      ...(listener.kind === 'tls' ? { listenerFilters: [TLS_INSPECTOR] } : {}),
      filterChains,
      metadata: metadataOf({ origin: listener.servers[0]?.gateway.origin, field: listener.servers[0]?.server.field }),
    }
    return [{ type: 'envoy.config.listener.v3.Listener', name, message }]
  })
}

function chainsOf(listener: GatewayListener, view: ProxyView): readonly FilterChain[] {
  const { kind, port, servers } = listener
  if (kind === 'http') return [{ filters: [manager(listener, gatewayHttpRouteConfigName(port), view)] }]
  const book = new ChainBook()
  return servers.flatMap((bound) => {
    if (kind === 'tcp') return plainChains(bound, listener, view)
    const mode = bound.server.tls?.mode
    if (mode === 'auto-passthrough') return autoPassthroughChains(bound, view)
    return mode === 'passthrough' ? passedThrough(bound, listener, view, book) : terminated(bound, listener, view, book)
  })
}

function manager(listener: GatewayListener, routeConfigName: string, view: ProxyView): Filter {
  return httpManager(
    {
      statPrefix: `outbound_${listenerName(listener.bind, listener.port)}`,
      rds: { configSource: ADS, routeConfigName },
      filters: routeFilters(view.scope.isStock),
      // The edge: who calls is the connection's other end, and what it claims of its certificate is not believed.
      useRemoteAddress: true,
      forwardClientCertDetails: 'SANITIZE_SET',
      setCurrentClientCertDetails: { subject: true, dns: true, uri: true },
    },
    view.instance.settings,
  )
}

function terminated(bound: BoundServer, listener: GatewayListener, view: ProxyView, book: ChainBook): readonly FilterChain[] {
  const { server, gateway } = bound
  const route = l4RouteFor(bound, listener.port)
  const filter = endsHttps(bound)
    ? manager(listener, httpsTableName(bound, listener.port), view)
    : route === undefined
      ? undefined
      : forward(route, listener.port, view)
  const transportSocket = gatewayTransport(server, view.instance.settings, view.scope.isStock)
  if (filter === undefined || transportSocket === undefined) return []
  const chain = book.filterChain({ serverNames: namesOf(server.hosts.map(({ host }) => host)), subnets: [], filter, route: undefined })
  if (chain === undefined) return []
  return [
    {
      ...chain,
      name: `${gateway.namespace}/${gateway.name} ${server.field}`,
      transportSocket,
      metadata: metadataOf({ origin: gateway.origin, field: server.field }),
    },
  ]
}

/** One chain per tls route, for the names that server and route have in common. */
function passedThrough(
  { server, routes }: BoundServer,
  listener: GatewayListener,
  view: ProxyView,
  book: ChainBook,
): readonly FilterChain[] {
  return routes.flatMap(({ l4, origin }) =>
    l4
      .filter((route) => route.serverNames.length > 0 && isForPort(route, listener.port))
      .flatMap((route) => {
        const names = server.hosts
          .filter(({ namespace }) => namespace === '*' || namespace === origin.namespace)
          .flatMap(({ host }) => route.serverNames.flatMap((name) => hostIntersection(host, name) ?? []))
        if (names.length === 0) return []
        const chain = book.filterChain({
          serverNames: namesOf(names),
          subnets: route.destinationSubnets,
          filter: forward(route, listener.port, view),
          route,
        })
        return chain === undefined ? [] : [chain]
      }),
  )
}

function plainChains(bound: BoundServer, listener: GatewayListener, view: ProxyView): readonly FilterChain[] {
  const route = l4RouteFor(bound, listener.port)
  if (route === undefined) return []
  const chain = new ChainBook().filterChain({ serverNames: [], subnets: [], filter: forward(route, listener.port, view), route })
  return chain === undefined ? [] : [chain]
}

/** The first tcp route that fits. */
function l4RouteFor({ routes, server }: BoundServer, port: number): L4Route | undefined {
  return routes
    .filter(({ origin }) => server.hosts.some(({ namespace }) => namespace === '*' || namespace === origin.namespace))
    .flatMap(({ l4 }) => l4)
    .find((route) => route.serverNames.length === 0 && isForPort(route, port))
}

function isForPort(route: L4Route, port: number): boolean {
  return route.port === undefined || route.port === port
}

function forward(route: L4Route, port: number, view: ProxyView): Filter {
  const [first] = route.destinations
  return forwardTo(route, port, first === undefined ? '' : clusterOf(first, port), view.scope)
}

/** '*' is any name, and so asks for none. */
function namesOf(hosts: readonly string[]): readonly string[] {
  return hosts.includes('*') ? [] : [...new Set(hosts)]
}
