// Where the connections of one service port go whose bytes are not read as HTTP: what a VirtualService's tls and tcp sections say, else
// straight to the service. Called by the files that make outbound listeners.
// Istio's rules: a port of TLS asks the tls section (and a server name that it does not know is turned away), any other the tcp
// section, of which the first route without a range of addresses ends the list.
import { cidrMatcher, parseCidr } from '../../base/cidr.ts'
import type { Filter, FilterChain, FilterChainMatch } from '../../envoy/generated/messages.gen.ts'
import { outboundClusterName } from '../../envoy/names.ts'
import type { L4Route } from '../../model/l4-route.ts'
import type { ServicePort } from '../../model/service.ts'
import type { ScopeView, ServiceView } from '../view/proxy-view.ts'
import { metadataOf } from './metadata.ts'
import { clusterOf } from './route-action.ts'
import { tcpOptions } from './tcp-options.ts'
import { tcpProxy, weightedTcpProxy } from './terminal-filters.ts'

export interface L4Chain {
  /** Empty: any. */
  readonly serverNames: readonly string[]
  readonly subnets: readonly string[]
  readonly filter: Filter
  /** The route that says so; undefined: nothing but the service itself. */
  readonly route: L4Route | undefined
}

/** @param called the addresses that clients called when the listener says so; undefined: the connection itself must be asked. */
export function l4Chains(
  view: ServiceView,
  port: ServicePort,
  called: readonly string[] | undefined,
  scope: ScopeView,
): readonly L4Chain[] {
  const isTls = port.protocol === 'tls'
  const routes = (view.route?.l4 ?? []).filter(
    (route) => (route.port === undefined || route.port === port.number) && route.serverNames.length > 0 === isTls,
  )
  const chains = routes
    .filter(
      ({ destinationSubnets }) => called === undefined || destinationSubnets.length === 0 || called.some(isWithin(destinationSubnets)),
    )
    .map((route): L4Chain => {
      const names = route.serverNames.includes('*') ? [] : route.serverNames
      const subnets = called === undefined ? route.destinationSubnets : []
      return { serverNames: names, subnets, filter: forward(route, view, port, scope), route }
    })
  const last = chains.findIndex(({ serverNames, subnets }) => serverNames.length + subnets.length === 0)
  if (last !== -1) return chains.slice(0, last + 1)
  return isTls && routes.length > 0 ? chains : [...chains, straight(view, port, scope)]
}

function isWithin(subnets: readonly string[]): (address: string) => boolean {
  return cidrMatcher(subnets.flatMap((subnet) => parseCidr(subnet) ?? []))
}

function straight({ service: { hostname } }: ServiceView, port: ServicePort, scope: ScopeView): L4Chain {
  const options = tcpOptions({ host: hostname, port: port.number, subset: undefined }, scope)
  const filter = tcpProxy(outboundClusterName(port.number, '', hostname), scope.settings, options)
  return { serverNames: [], subnets: [], filter, route: undefined }
}

function forward(route: L4Route, view: ServiceView, port: ServicePort, scope: ScopeView): Filter {
  return forwardTo(route, port.number, outboundClusterName(port.number, '', view.service.hostname), scope)
}

/** @param name of what several destinations are together. */
export function forwardTo({ destinations }: L4Route, calledPort: number, name: string, scope: ScopeView): Filter {
  const [first, ...others] = destinations
  const isLone = others.length === 0
  const destination = { host: first?.host ?? '', port: first?.port ?? calledPort, subset: isLone ? first?.subset : undefined }
  const options = tcpOptions(destination, scope)
  if (first !== undefined && isLone) return tcpProxy(clusterOf(first, calledPort), scope.settings, options)
  const clusters = destinations.map((each) => ({ name: clusterOf(each, calledPort), weight: each.weight }))
  return weightedTcpProxy(name, clusters, scope.settings, options)
}

/** Envoy refuses a listener in which two chains match alike: the first has it. */
export class ChainBook {
  readonly #taken = new Set<string>()

  /** Undefined: everything that the chain would match is taken. */
  filterChain({ serverNames, subnets, filter, route }: L4Chain): FilterChain | undefined {
    const ranges = subnets.length === 0 ? [''] : [...new Set(subnets)]
    const names = serverNames.length === 0 ? [''] : serverNames
    const freeNames = names.filter((name) => ranges.some((range) => !this.#taken.has(`${range} ${name}`)))
    const freeRanges = ranges.filter((range) => freeNames.every((name) => !this.#taken.has(`${range} ${name}`)))
    if (freeNames.length === 0 || freeRanges.length === 0) return undefined
    for (const range of freeRanges) for (const name of freeNames) this.#taken.add(`${range} ${name}`)
    const match = matchOf(
      freeRanges.filter((range) => range !== ''),
      freeNames.filter((name) => name !== ''),
    )
    return {
      ...(route === undefined ? {} : { name: `${route.origin.namespace}/${route.origin.name} ${route.field}` }),
      ...(match === undefined ? {} : { filterChainMatch: match }),
      filters: [filter],
      ...(route === undefined ? {} : { metadata: metadataOf({ origin: route.origin, field: route.field }) }),
    }
  }
}

function matchOf(ranges: readonly string[], serverNames: readonly string[]): FilterChainMatch | undefined {
  if (ranges.length + serverNames.length === 0) return undefined
  const prefixRanges = ranges.flatMap((range) => {
    const parsed = parseCidr(range)
    return parsed === undefined ? [] : [{ addressPrefix: parsed.address, prefixLen: parsed.prefixLength }]
  })
  return { ...(prefixRanges.length === 0 ? {} : { prefixRanges }), ...(serverNames.length === 0 ? {} : { serverNames }) }
}

export function asksForServerName(chains: readonly FilterChain[]): boolean {
  return chains.some(({ filterChainMatch }) => (filterChainMatch?.serverNames ?? []).length > 0)
}
