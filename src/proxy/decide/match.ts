// Which route a request takes. Called by the HTTP data path once per request and by `lateen explain` with the same values.
// Envoy's rules: one virtual host by host name, then the first of its routes that matches; no second virtual host is tried.
// Invariant: pure, and nothing is allocated but the answer (and query parameters, when a route asks for them).
import type { Random } from '../../base/random.ts'
import type { HeaderMatch, Route, RouteMatch, RouteTable, VirtualHost } from '../config/proxy-config.ts'
import { pathWithoutQuery, type RequestView, testHeaderOf } from './request-view.ts'

export type RouteDecision =
  | { readonly found: true; readonly virtualHost: VirtualHost; readonly route: Route; readonly routeIndex: number }
  | {
      readonly found: false
      /** 'requires-tls': answer 301 to https (Envoy: require_tls). */
      readonly reason: 'no-virtual-host' | 'no-route' | 'requires-tls'
      readonly virtualHost: VirtualHost | undefined
    }

const NO_VIRTUAL_HOST: RouteDecision = { found: false, reason: 'no-virtual-host', virtualHost: undefined }

export function matchRoute(table: RouteTable, request: RequestView, random: Random): RouteDecision {
  const virtualHost = findVirtualHost(table, request.authority)
  if (virtualHost === undefined) return NO_VIRTUAL_HOST
  if (virtualHost.requiresTls && request.scheme !== 'https') return { found: false, reason: 'requires-tls', virtualHost }
  const path = pathWithoutQuery(request.path)
  const routes = virtualHost.routes
  // One draw per request, as Envoy: a request is in the same part of every fraction it meets.
  let draw = -1
  for (let index = 0; index < routes.length; index++) {
    const route = routes[index]
    if (route === undefined || !matchesPath(route.match.path, path, request.method)) continue
    const { fractionPerMillion } = route.match
    if (fractionPerMillion !== undefined) {
      if (draw < 0) draw = random() * 1_000_000
      if (draw >= fractionPerMillion) continue
    }
    if (!matchesHeaders(route.match.headers, request)) continue
    if (route.match.queryParameters.length > 0 && !matchesQuery(route.match.queryParameters, request.path)) continue
    return { found: true, virtualHost, route, routeIndex: index }
  }
  return { found: false, reason: 'no-route', virtualHost }
}

/** Exact, then the longest suffix ('*.foo'), then the longest prefix ('foo.*'), then '*'; case does not matter (RFC 9110 4.2.3). */
export function findVirtualHost(table: RouteTable, authority: string): VirtualHost | undefined {
  if (table.exactHosts.size === 0 && table.suffixHosts.length === 0 && table.prefixHosts.length === 0) return table.defaultHost
  if (authority === '') return undefined
  const host = (table.ignoresPort ? withoutPort(authority) : authority).toLowerCase()
  const exact = table.exactHosts.get(host)
  if (exact !== undefined) return exact
  // A wildcard stands for at least one character, and the lists come longest first, so the first hit is the longest.
  for (const entry of table.suffixHosts) {
    if (entry.suffix.length < host.length && host.endsWith(entry.suffix)) return entry.virtualHost
  }
  for (const entry of table.prefixHosts) {
    if (entry.prefix.length < host.length && host.startsWith(entry.prefix)) return entry.virtualHost
  }
  return table.defaultHost
}

/** `host:port` without the port; brackets of an IPv6 literal stay. */
export function withoutPort(authority: string): string {
  const colon = authority.lastIndexOf(':')
  if (colon < 0 || authority.indexOf(']', colon) >= 0) return authority
  for (let index = colon + 1; index < authority.length; index++) {
    const code = authority.charCodeAt(index)
    if (code < 48 || code > 57) return authority
  }
  return authority.slice(0, colon)
}

/** @param path without query and fragment; '' for CONNECT, which only a connect matcher takes. */
export function matchesPath(match: RouteMatch['path'], path: string, method: string): boolean {
  if (match.kind === 'connect') return method === 'CONNECT'
  if (path === '') return false
  if (match.kind === 'regex') return match.matches(path)
  const subject = match.ignoreCase ? path.toLowerCase() : path
  const value = match.ignoreCase ? match.value.toLowerCase() : match.value
  if (match.kind === 'exact') return subject === value
  if (!subject.startsWith(value)) return false
  return match.kind === 'prefix' || subject.length === value.length || subject.charCodeAt(value.length) === SLASH
}

const SLASH = 47

export function matchesHeaders(matches: readonly HeaderMatch[], request: RequestView): boolean {
  for (const match of matches) {
    if (!matchesHeader(match, request)) return false
  }
  return true
}

/** A missing header matches nothing, not even inverted, except presence itself, unless it is to be judged as empty (Envoy: HeaderMatcher). */
export function matchesHeader(match: HeaderMatch, request: RequestView): boolean {
  const passes = testHeaderOf(request, match.name, match.matches)
  if (passes === undefined && !match.missingIsEmpty) return match.spec.kind === 'present' && match.inverted
  return (passes ?? match.matches('')) !== match.inverted
}

function matchesQuery(parameters: RouteMatch['queryParameters'], path: string): boolean {
  for (const parameter of parameters) {
    const value = queryParameter(path, parameter.name)
    if (value === undefined || !parameter.matches(value)) return false
  }
  return true
}

/** The first value of the parameter as it stands in the path, not percent-decoded (Envoy: QueryParamsMulti::parseQueryString). */
export function queryParameter(path: string, name: string): string | undefined {
  let start = path.indexOf('?') + 1
  if (start === 0) return undefined
  while (start < path.length) {
    const ampersand = path.indexOf('&', start)
    const end = ampersand < 0 ? path.length : ampersand
    const equals = path.indexOf('=', start)
    const nameEnd = equals < 0 || equals > end ? end : equals
    if (nameEnd - start === name.length && path.startsWith(name, start)) return nameEnd === end ? '' : path.slice(nameEnd + 1, end)
    start = end + 1
  }
  return undefined
}
