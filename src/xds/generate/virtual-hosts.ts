// One service port as Envoy routes: the user's, or straight to the service. Called by outbound-routes.ts.
// Invariants: routes keep the user's order; each says which field it came from; without a route of the user's for the rest, the rest is
// answered 404, as the user left it.
import { any } from '../../envoy/any.ts'
import type { RetryPolicy, Route, RouteAction, VirtualHost } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName, virtualHostName } from '../../envoy/names.ts'
import type { ServicePort } from '../../model/service.ts'
import type { HttpRoute, TrafficRoute, WeightedDestination } from '../../model/traffic-route.ts'
import type { ServiceView } from '../view/proxy-view.ts'
import { metadataOf } from './metadata.ts'
import { routeMatch } from './route-match.ts'

/** Istio's default: what was surely not processed, once more on another host. */
const RETRY_POLICY: RetryPolicy = {
  retryOn: 'connect-failure,refused-stream,unavailable,cancelled,retriable-status-codes',
  numRetries: 2,
  retryHostPredicate: [
    {
      name: 'envoy.retry_host_predicates.previous_hosts',
      typedConfig: any('envoy.extensions.retry.host.previous_hosts.v3.PreviousHostsPredicate', {}),
    },
  ],
  hostSelectionRetryMaxAttempts: 5,
}

/** No limit but the client's own (grpc-timeout). */
const FORWARD: RouteAction = { timeout: 0, retryPolicy: RETRY_POLICY, maxStreamDuration: { maxStreamDuration: 0, grpcTimeoutHeaderMax: 0 } }

/** An action that this version does not have: visible, and never another route's answer. */
const NOT_IN_FORCE = { status: 501, body: { inlineString: 'the action of this route is not in force in this version of the mesh\n' } }

export function serviceVirtualHost(view: ServiceView, port: ServicePort, domains: readonly string[]): VirtualHost {
  const { service, route } = view
  const hasRoutes = route !== undefined && route.http.length > 0
  const origin = hasRoutes ? route.origin : service.origin
  return {
    name: virtualHostName(service.hostname, port.number),
    domains,
    routes: hasRoutes ? userRoutes(route, port.number) : [defaultRoute(view, port)],
    includeRequestAttemptCount: true,
    metadata: metadataOf({ origin, services: [service] }),
  }
}

export function foreignVirtualHost(route: TrafficRoute, port: number, domains: readonly string[]): VirtualHost {
  return {
    name: virtualHostName(route.host, port),
    domains,
    routes: userRoutes(route, port),
    includeRequestAttemptCount: true,
    metadata: metadataOf({ origin: route.origin }),
  }
}

function defaultRoute({ service }: ServiceView, port: ServicePort): Route {
  const field = `spec.ports[${service.ports.indexOf(port)}]`
  return {
    name: 'default',
    match: { prefix: '/' },
    route: { cluster: outboundClusterName(port.number, '', service.hostname), ...FORWARD },
    metadata: metadataOf({ origin: service.origin, field }),
  }
}

function userRoutes(route: TrafficRoute, port: number): readonly Route[] {
  return route.http.filter(({ match }) => match.port === undefined || match.port === port).map((each) => userRoute(route, each, port))
}

function userRoute(owner: TrafficRoute, route: HttpRoute, port: number): Route {
  return {
    ...(route.name === '' ? {} : { name: route.name }),
    match: routeMatch(route.match),
    ...actionOf(route.destinations, port),
    metadata: metadataOf({ origin: owner.origin, field: route.field }),
  }
}

function actionOf(destinations: readonly WeightedDestination[], port: number): Pick<Route, 'route' | 'directResponse'> {
  const [first, ...others] = destinations
  if (first === undefined) return { directResponse: NOT_IN_FORCE }
  if (others.length === 0) return { route: { cluster: clusterOf(first, port), ...FORWARD } }
  const clusters = destinations.map((each) => ({ name: clusterOf(each, port), weight: each.weight }))
  return { route: { weightedClusters: { clusters }, ...FORWARD } }
}

function clusterOf({ host, port, subset }: WeightedDestination, calledPort: number): string {
  return outboundClusterName(port ?? calledPort, subset ?? '', host)
}
