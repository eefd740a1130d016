// The tls and tcp sections of one VirtualService: every match of every entry is a route for connections. Called by virtual-services.ts.
// tls comes first: a connection that says a server name is asked for it before the routes that take any connection (Istio's order).
import type { Finding } from '../../api/finding.ts'
import type { L4MatchAttributes, RouteDestination, TLSMatchAttributes, VirtualService } from '../../api/generated/virtual-service.gen.ts'
import { parseCidr } from '../../base/cidr.ts'
import type { L4Route } from '../../model/l4-route.ts'
import { destinationsOf } from './destinations.ts'
import { gatewaysOf } from './gateway-names.ts'
import { isRoutableHost } from './hosts.ts'
import { clientMatch, portOf } from './http-match.ts'
import { originOf } from './mesh-draft.ts'
import type { Surroundings } from './surroundings.ts'

export interface BoundL4Route {
  readonly route: L4Route
  readonly gateways: readonly string[]
}

export interface CompiledL4Routes {
  readonly routes: readonly BoundL4Route[]
  readonly findings: readonly Finding[]
}

interface WrittenRoute {
  readonly field: string
  readonly matches: readonly (L4MatchAttributes & Partial<TLSMatchAttributes>)[]
  readonly destinations: readonly RouteDestination[]
  /** Only for connections with a server name. */
  readonly isTls: boolean
}

export function l4Routes(object: VirtualService, around: Surroundings): CompiledL4Routes {
  const { tls = [], tcp = [] } = object.spec
  const written: readonly WrittenRoute[] = [
    ...tls.map((entry, index) => ({ field: `spec.tls[${index}]`, matches: entry.match, destinations: entry.route ?? [], isTls: true })),
    ...tcp.map((entry, index) => ({
      field: `spec.tcp[${index}]`,
      matches: entry.match ?? [],
      destinations: entry.route ?? [],
      isTls: false,
    })),
  ]
  const findings: Finding[] = []
  const routes = written.flatMap((entry): readonly BoundL4Route[] => {
    const compiled = destinationsOf({ object, field: entry.field, entries: entry.destinations }, around)
    findings.push(...compiled.findings)
    const { destinations } = compiled
    return destinations.length === 0 ? [] : boundRoutes(object, entry, destinations)
  })
  return { routes, findings }
}

export function l4RoutesFor(gateway: string, bound: readonly BoundL4Route[]): readonly L4Route[] {
  return bound.flatMap(({ route, gateways }) => (gateways.includes(gateway) ? [route] : []))
}

function boundRoutes(object: VirtualService, written: WrittenRoute, destinations: L4Route['destinations']): readonly BoundL4Route[] {
  const { namespace } = object.metadata
  const gateways = gatewaysOf(object.spec.gateways, namespace)
  const origin = originOf(object)
  const { field, matches, isTls } = written
  if (matches.length === 0 && !isTls) {
    const route: L4Route = { serverNames: [], destinationSubnets: [], port: undefined, client: undefined, destinations, origin, field }
    return [{ route, gateways }]
  }
  return matches.flatMap((match, index): readonly BoundL4Route[] => {
    const names = match.sniHosts ?? []
    const serverNames = names.map((name) => name.toLowerCase()).filter(isServerName)
    const subnets = match.destinationSubnets ?? []
    const destinationSubnets = subnets.filter(isSubnet)
    // A condition of which nothing is left would become a match for everybody.
    if ((isTls && serverNames.length === 0) || (subnets.length > 0 && destinationSubnets.length === 0)) return []
    const own = match.gateways ?? []
    const route: L4Route = {
      serverNames: isTls ? [...new Set(serverNames)] : [],
      destinationSubnets,
      port: portOf(match.port),
      client: clientMatch(match),
      destinations,
      origin,
      field: `${field}.match[${index}]`,
    }
    return [{ route, gateways: own.length === 0 ? gateways : gatewaysOf(own, namespace) }]
  })
}

/** Envoy takes `*.example.com` and no other wildcard; '*' alone is any name. */
function isServerName(name: string): boolean {
  return isRoutableHost(name) && (!name.includes('*') || name === '*' || name.startsWith('*.'))
}

function isSubnet(text: string): boolean {
  return parseCidr(text) !== undefined
}
