// One service port as Envoy routes: the user's, or straight to the service. Called by outbound-routes.ts.
// Invariants: routes keep the user's order; each says which field it came from; without a route of the user's for the rest, the rest is
// answered 404, as the user left it.
import type { Route, VirtualHost } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName, virtualHostName } from '../../envoy/names.ts'
import type { ServicePort } from '../../model/service.ts'
import type { HttpRoute, TrafficRoute } from '../../model/traffic-route.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import { hashPolicies } from './hash-policy.ts'
import { headerFields } from './header-options.ts'
import { metadataOf } from './metadata.ts'
import { retryPolicy } from './retry-policy.ts'
import { type CalledAs, loneDestination, NO_LIMIT, routeAction } from './route-action.ts'
import { routeMatch } from './route-match.ts'

type Scope = Pick<ScopeView, 'isStock' | 'routedPolicies' | 'settings'>

export function serviceVirtualHost(view: ServiceView, port: ServicePort, domains: readonly string[], scope: Scope): VirtualHost {
  const { service, route } = view
  const hasRoutes = route !== undefined && route.http.length > 0
  const origin = hasRoutes ? route.origin : service.origin
  return {
    name: virtualHostName(service.hostname, port.number),
    domains,
    routes: hasRoutes ? userRoutes(route.http, calledAs(port.number, scope)) : [defaultRoute(view, port, scope)],
    includeRequestAttemptCount: true,
    metadata: metadataOf({ origin, services: [service] }),
  }
}

function calledAs(port: number, { isStock, routedPolicies, settings }: Scope): CalledAs {
  return { port, scheme: 'http', isStock, routedPolicies, settings }
}

export function foreignVirtualHost(route: TrafficRoute, port: number, domains: readonly string[], scope: Scope): VirtualHost {
  return {
    name: virtualHostName(route.host, port),
    domains,
    routes: userRoutes(route.http, calledAs(port, scope)),
    includeRequestAttemptCount: true,
    metadata: metadataOf({ origin: route.origin }),
  }
}

function defaultRoute({ service }: ServiceView, port: ServicePort, scope: Scope): Route {
  const retries = retryPolicy(scope.settings.defaultRetries, scope.isStock)
  const field = `spec.ports[${service.ports.indexOf(port)}]`
  const hashPolicy = hashPolicies([{ host: service.hostname, port: port.number, subset: undefined }], calledAs(port.number, scope))
  return {
    name: 'default',
    match: { prefix: '/' },
    route: {
      cluster: outboundClusterName(port.number, '', service.hostname),
      ...NO_LIMIT,
      ...(retries === undefined ? {} : { retryPolicy: retries }),
      ...(hashPolicy.length === 0 ? {} : { hashPolicy }),
    },
    metadata: metadataOf({ origin: service.origin, field }),
  }
}

/** Those for the port that was called, in the user's order. */
export function userRoutes(routes: readonly HttpRoute[], called: CalledAs): readonly Route[] {
  return routes.filter(({ match }) => match.port === undefined || match.port === called.port).map((each) => userRoute(each, called))
}

function userRoute(route: HttpRoute, called: CalledAs): Route {
  const { name, match, action, headers, statPrefix, origin, field } = route
  return {
    ...(name === '' ? {} : { name }),
    match: routeMatch(match),
    ...routeAction(action, called),
    // First the route's, then the destination's (Istio's order).
    ...headerFields(headers, loneDestination(action)?.headers),
    ...(called.isStock && statPrefix !== undefined && statPrefix !== '' ? { statPrefix } : {}),
    metadata: metadataOf({ origin, field }),
  }
}
