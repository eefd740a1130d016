// RouteConfiguration to RouteTable: virtual hosts sorted into the three ways of matching a host, routes in the user's order.
// Called for inline tables of a connection manager and for RDS. Invariant: a match that cannot be read is a problem, never a wider match.
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import type { DecodeContext } from './decode-context.ts'
import { decodeHeaderMutations } from './decode-headers.ts'
import { decodeHeaderMatch, decodeStringMatch } from './decode-matchers.ts'
import { decodeMetadata } from './decode-metadata.ts'
import { decodeRetryPolicy } from './decode-retry.ts'
import { decodeRouteAction } from './decode-route-action.ts'
import { decodeRouteRules } from './decode-route-rules.ts'
import type { RetryPolicy, Route, RouteMatch, RouteTable, VirtualHost } from './proxy-config.ts'

export interface DecodedHost {
  readonly virtualHost: VirtualHost
  readonly domains: readonly string[]
}

/** @param discovered virtual hosts that came as resources of their own; they stand after those of the table. */
export function decodeRouteTable(
  message: envoy.RouteConfiguration,
  at: string,
  context: DecodeContext,
  discovered: readonly DecodedHost[] = [],
): RouteTable {
  const own = (message.virtualHosts ?? []).map((each, index) => decodeHost(each, `${at}virtual_hosts[${index}]`, context))
  return {
    name: message.name ?? '',
    ...sortedHosts([...own, ...discovered], at, context),
    ignoresPort: message.ignorePortInHostMatching === true,
    ...decodeHeaderMutations(message, at, context),
  }
}

export function decodeHost(message: envoy.VirtualHost, at: string, context: DecodeContext): DecodedHost {
  const { domains = [] } = message
  if (domains.length === 0) context.error(join(at, 'domains'), 'a virtual host needs at least one domain')
  return { virtualHost: decodeVirtualHost(message, at, context), domains }
}

function sortedHosts(
  hosts: readonly DecodedHost[],
  at: string,
  context: DecodeContext,
): Pick<RouteTable, 'exactHosts' | 'suffixHosts' | 'prefixHosts' | 'defaultHost'> {
  const exactHosts = new Map<string, VirtualHost>()
  const suffixHosts: { suffix: string; virtualHost: VirtualHost }[] = []
  const prefixHosts: { prefix: string; virtualHost: VirtualHost }[] = []
  let defaultHost: VirtualHost | undefined
  const seen = new Set<string>()
  for (const [index, { virtualHost, domains }] of hosts.entries()) {
    for (const [position, domain] of domains.entries()) {
      const name = domain.toLowerCase()
      const where = `${at}virtual_hosts[${index}].domains[${position}]`
      if (seen.has(name)) context.error(where, `domain '${domain}' belongs to another virtual host already`)
      seen.add(name)
      if (name === '*') defaultHost = virtualHost
      else if (name.startsWith('*')) suffixHosts.push({ suffix: name.slice(1), virtualHost })
      else if (name.endsWith('*')) prefixHosts.push({ prefix: name.slice(0, -1), virtualHost })
      else exactHosts.set(name, virtualHost)
    }
  }
  return {
    exactHosts,
    suffixHosts: suffixHosts.sort((a, b) => b.suffix.length - a.suffix.length),
    prefixHosts: prefixHosts.sort((a, b) => b.prefix.length - a.prefix.length),
    defaultHost,
  }
}

/** A virtual host that came alone has no path before its fields. */
function join(at: string, field: string): string {
  return at === '' ? field : `${at}.${field}`
}

function decodeVirtualHost(message: envoy.VirtualHost, at: string, context: DecodeContext): VirtualHost {
  const retry = decodeRetryPolicy(message.retryPolicy, join(at, 'retry_policy'), context)
  if (message.requireTls === 'EXTERNAL_ONLY') context.unsupported(join(at, 'require_tls'), 'EXTERNAL_ONLY is not supported')
  const hostRules = decodeRouteRules(message.typedPerFilterConfig, join(at, 'typed_per_filter_config'), context)
  return {
    name: message.name ?? '',
    routes: (message.routes ?? []).flatMap((route, index) => {
      const decoded = decodeRoute(route, retry, join(at, `routes[${index}]`), context)
      if (decoded === undefined) return []
      return [hostRules === undefined || decoded.rules !== undefined ? decoded : { ...decoded, rules: hostRules }]
    }),
    requiresTls: message.requireTls === 'ALL',
    includeAttemptCountInRequest: message.includeRequestAttemptCount === true,
    includeAttemptCountInResponse: message.includeAttemptCountInResponse === true,
    ...decodeHeaderMutations(message, join(at, ''), context),
  }
}

function decodeRoute(message: envoy.Route, hostRetry: RetryPolicy | undefined, at: string, context: DecodeContext): Route | undefined {
  const match = decodeRouteMatch(message.match, `${at}.match`, context)
  const action = decodeRouteAction(message, hostRetry, at, context)
  if (match === undefined || action === undefined) return undefined
  return {
    name: message.name ?? '',
    match,
    action,
    ...decodeHeaderMutations(message, `${at}.`, context),
    rules: decodeRouteRules(message.typedPerFilterConfig, `${at}.typed_per_filter_config`, context),
    metadata: decodeMetadata(message.metadata),
  }
}

function decodeRouteMatch(match: envoy.RouteMatch | undefined, at: string, context: DecodeContext): RouteMatch | undefined {
  const path = decodePath(match, at, context)
  if (match === undefined || path === undefined) return undefined
  return {
    path,
    headers: (match.headers ?? []).flatMap((header, index) => decodeHeaderMatch(header, `${at}.headers[${index}]`, context) ?? []),
    queryParameters: (match.queryParameters ?? []).flatMap(
      (parameter, index) => decodeQueryParameter(parameter, `${at}.query_parameters[${index}]`, context) ?? [],
    ),
    fractionPerMillion: match.runtimeFraction === undefined ? undefined : perMillion(match.runtimeFraction.defaultValue),
  }
}

function decodePath(match: envoy.RouteMatch | undefined, at: string, context: DecodeContext): RouteMatch['path'] | undefined {
  const ignoreCase = match?.caseSensitive === false
  if (match?.prefix !== undefined) return { kind: 'prefix', value: match.prefix, ignoreCase }
  if (match?.path !== undefined) return { kind: 'exact', value: match.path, ignoreCase }
  if (match?.pathSeparatedPrefix !== undefined) return { kind: 'path-separated-prefix', value: match.pathSeparatedPrefix, ignoreCase }
  if (match?.connectMatcher !== undefined) return { kind: 'connect' }
  if (match?.safeRegex !== undefined) {
    const value = match.safeRegex.regex ?? ''
    const matches = context.string({ kind: 'regex', value }, `${at}.safe_regex`)
    return matches === undefined ? undefined : { kind: 'regex', value, matches }
  }
  return context.error(at, 'a route needs prefix, path, path_separated_prefix, safe_regex or connect_matcher')
}

function decodeQueryParameter(
  parameter: envoy.QueryParameterMatcher,
  at: string,
  context: DecodeContext,
): RouteMatch['queryParameters'][number] | undefined {
  const name = parameter.name ?? ''
  if (name === '') return context.error(`${at}.name`, 'a query parameter matcher needs a name')
  if (parameter.presentMatch === false) return context.unsupported(`${at}.present_match`, 'asking for absence is not supported')
  if (parameter.stringMatch === undefined) return { name, spec: { kind: 'present' }, matches: () => true }
  const compiled = decodeStringMatch(parameter.stringMatch, `${at}.string_match`, context)
  return compiled === undefined ? undefined : { name, ...compiled }
}

const SCALE = { HUNDRED: 10_000, TEN_THOUSAND: 100, MILLION: 1 } as const

export function perMillion(fraction: envoy.FractionalPercent | undefined): number {
  return Math.min(1_000_000, (fraction?.numerator ?? 0) * SCALE[fraction?.denominator ?? 'HUNDRED'])
}
