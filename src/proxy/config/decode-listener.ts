// Listener messages: address, listener filters, filter chains. Route tables that come by RDS stay names until assemble.ts has them.
// Invariant: a chain is taken with its transport, its rules and its terminal filter, or the listener is refused.
import { isIP } from 'node:net'
import { unpack } from '../../envoy/any.ts'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import type { AuthorizationRules } from '../decide/authorize.ts'
import { decodeAccessLogs } from './decode-access-log.ts'
import type { DecodeContext } from './decode-context.ts'
import { decodeAddress } from './decode-endpoint.ts'
import { NO_MUTATIONS } from './decode-headers.ts'
import { type DecodedManager, decodeHttpConnectionManager } from './decode-http-connection-manager.ts'
import { decodeCidrs } from './decode-matchers.ts'
import { decodeMetadata } from './decode-metadata.ts'
import { decodeRules, invalid } from './decode-rbac.ts'
import { decodeDownstreamTransport } from './decode-tls.ts'
import type { FilterChain, FilterChainMatch, Listener, PortTest, TcpProxy, WeightedCluster } from './proxy-config.ts'

export interface DecodedListener {
  readonly listener: Omit<Listener, 'filterChains' | 'defaultFilterChain'>
  readonly chains: readonly DecodedChain[]
  readonly defaultChain: DecodedChain | undefined
}

export interface DecodedChain {
  readonly chain: Omit<FilterChain, 'terminal'>
  readonly terminal: DecodedManager | TcpProxy
}

const DIRECTIONS = { UNSPECIFIED: 'unspecified', INBOUND: 'inbound', OUTBOUND: 'outbound' } as const

export function decodeListener(message: envoy.Listener, at: string, context: DecodeContext): DecodedListener | undefined {
  const name = message.name ?? ''
  const address = decodeAddress(message.address, `${at}address`, context)
  if (address !== undefined && isIP(address.host) === 0) context.error(`${at}address`, `'${address.host}' is not an IP address`)
  const filters = decodeListenerFilters(message.listenerFilters ?? [], `${at}listener_filters`, context)
  const chains = (message.filterChains ?? []).flatMap((chain, index) => decodeChain(chain, `${at}filter_chains[${index}]`, context) ?? [])
  const defaultChain =
    message.defaultFilterChain === undefined ? undefined : decodeChain(message.defaultFilterChain, `${at}default_filter_chain`, context)
  if (chains.length === 0 && defaultChain === undefined && context.problems.length === 0) {
    return context.error(`${at}filter_chains`, 'a listener needs a filter chain')
  }
  if (address === undefined) return undefined
  const useOriginalDestination = message.useOriginalDst === true
  return {
    listener: {
      name: name === '' ? `${address.host}:${address.port}` : name,
      address,
      direction: DIRECTIONS[message.trafficDirection ?? 'UNSPECIFIED'],
      bindToPort: message.bindToPort !== false,
      useOriginalDestination,
      restoresOriginalDestination: useOriginalDestination || filters.originalDestination,
      inspection: {
        tls: filters.tlsInspector,
        http: filters.httpInspector,
        tlsExcept: filters.tlsExcept,
        httpExcept: filters.httpExcept,
        timeoutMs: message.listenerFiltersTimeout === 0 ? undefined : (message.listenerFiltersTimeout ?? LISTENER_FILTERS_TIMEOUT_MS),
        continuesOnTimeout: message.continueOnListenerFiltersTimeout === true,
      },
      accessLogs: decodeAccessLogs(message.accessLog, `${at}access_log`, context),
      metadata: decodeMetadata(message.metadata),
    },
    chains,
    defaultChain,
  }
}

/** Envoy's default of listener_filters_timeout. */
const LISTENER_FILTERS_TIMEOUT_MS = 15_000
const LISTENER_FILTERS = 'envoy.extensions.filters.listener'

function decodeListenerFilters(filters: readonly envoy.ListenerFilter[], at: string, context: DecodeContext) {
  let tlsInspector = false
  let httpInspector = false
  let originalDestination = false
  let tlsExcept: PortTest | undefined
  let httpExcept: PortTest | undefined
  for (const [index, { name, typedConfig, filterDisabled }] of filters.entries()) {
    const except = filterDisabled === undefined ? undefined : decodePortTest(filterDisabled)
    if (unpack(typedConfig, `${LISTENER_FILTERS}.tls_inspector.v3.TlsInspector`) !== undefined) {
      tlsInspector = true
      tlsExcept = except
    } else if (unpack(typedConfig, `${LISTENER_FILTERS}.http_inspector.v3.HttpInspector`) !== undefined) {
      httpInspector = true
      httpExcept = except
    } else if (unpack(typedConfig, `${LISTENER_FILTERS}.original_dst.v3.OriginalDst`) !== undefined) {
      originalDestination = true
      if (except !== undefined) context.unsupported(`${at}[${index}].filter_disabled`, 'the original destination is asked for at all ports')
    } else {
      context.unsupported(`${at}[${index}]`, `listener filter '${name ?? ''}' is not supported`)
    }
  }
  return { tlsInspector, httpInspector, originalDestination, tlsExcept, httpExcept }
}

function decodePortTest(predicate: envoy.ListenerFilterChainMatchPredicate): PortTest {
  const { orMatch, andMatch, notMatch, destinationPortRange: range } = predicate
  if (orMatch !== undefined) return { kind: 'some', tests: (orMatch.rules ?? []).map(decodePortTest) }
  if (andMatch !== undefined) return { kind: 'every', tests: (andMatch.rules ?? []).map(decodePortTest) }
  if (notMatch !== undefined) return { kind: 'not', test: decodePortTest(notMatch) }
  return range === undefined ? { kind: 'any' } : { kind: 'range', start: range.start ?? 0, end: range.end ?? 0 }
}

function decodeChain(message: envoy.FilterChain, at: string, context: DecodeContext): DecodedChain | undefined {
  const transport = decodeDownstreamTransport(message.transportSocket, `${at}.transport_socket`, context)
  const { terminal, networkRules } = decodeNetworkFilters(message.filters ?? [], `${at}.filters`, context)
  const match = decodeChainMatch(message.filterChainMatch, `${at}.filter_chain_match`, context)
  if (transport === undefined || terminal === undefined) return undefined
  return { chain: { name: message.name ?? '', match, tls: transport.tls, networkRules }, terminal }
}

function decodeChainMatch(match: envoy.FilterChainMatch | undefined, at: string, context: DecodeContext): FilterChainMatch {
  const transport = match?.transportProtocol ?? ''
  if (transport !== '' && transport !== 'tls' && transport !== 'raw_buffer') {
    context.error(`${at}.transport_protocol`, `'${transport}' is not 'tls' or 'raw_buffer'`)
  }
  return {
    destinationPort: match?.destinationPort,
    destinationRanges: decodeCidrs(match?.prefixRanges, `${at}.prefix_ranges`, context),
    serverNames: (match?.serverNames ?? []).map((name) => name.toLowerCase()),
    transportProtocol: transport === 'tls' || transport === 'raw_buffer' ? transport : undefined,
    applicationProtocols: match?.applicationProtocols ?? [],
    sourceRanges: decodeCidrs(match?.sourcePrefixRanges, `${at}.source_prefix_ranges`, context),
  }
}

const NETWORK = 'envoy.extensions.filters.network'
const GUARDS = /\.(?:rbac|ext_authz|geoip)\./

function decodeNetworkFilters(filters: readonly envoy.Filter[], at: string, context: DecodeContext) {
  const networkRules: AuthorizationRules[] = []
  let terminal: DecodedManager | TcpProxy | undefined
  for (const [index, { name, typedConfig }] of filters.entries()) {
    const where = `${at}[${index}]`
    if (terminal !== undefined) context.error(where, 'nothing may follow the HTTP connection manager or TCP proxy')
    const manager = unpack(typedConfig, `${NETWORK}.http_connection_manager.v3.HttpConnectionManager`)
    const tcp = unpack(typedConfig, `${NETWORK}.tcp_proxy.v3.TcpProxy`)
    const rbac = unpack(typedConfig, `${NETWORK}.rbac.v3.RBAC`)
    if (manager !== undefined) terminal = decodeHttpConnectionManager(manager, `${where}.typed_config`, context)
    else if (tcp !== undefined) terminal = decodeTcpProxy(tcp, `${where}.typed_config`, context)
    else if (rbac !== undefined) networkRules.push(...decodeRules(rbac, `${where}.typed_config`, context))
    else if (GUARDS.test(`.${typedConfig?.['@type'] ?? ''}.`))
      networkRules.push(invalid(`network filter '${name ?? ''}' is not in force yet`, where, context))
    else context.unsupported(where, `network filter '${name ?? ''}' (${typedConfig?.['@type'] ?? 'no type'}) is not supported`)
  }
  if (terminal === undefined && context.problems.length === 0) {
    context.error(at, 'the last network filter must be the HTTP connection manager or the TCP proxy')
  }
  return { terminal, networkRules }
}

function decodeTcpProxy(message: envoy.TcpProxy, at: string, context: DecodeContext): TcpProxy | undefined {
  const weighted = (message.weightedClusters?.clusters ?? []).filter(({ weight = 0 }) => weight > 0)
  const named = message.cluster === undefined || message.cluster === '' ? weighted : [{ name: message.cluster, weight: 1 }]
  if (named.length === 0) return context.error(at, 'a TCP proxy needs cluster or weighted_clusters')
  const clusters: readonly WeightedCluster[] = named.map(({ name = '', weight = 0 }) => ({
    name,
    weight,
    requestHeaders: NO_MUTATIONS,
    responseHeaders: NO_MUTATIONS,
  }))
  return {
    kind: 'tcp-proxy',
    statPrefix: message.statPrefix ?? '',
    clusters,
    // Envoy: an hour when it is not said, no limit when it is zero.
    idleTimeoutMs: message.idleTimeout === 0 ? undefined : (message.idleTimeout ?? 3_600_000),
    accessLogs: decodeAccessLogs(message.accessLog, `${at}.access_log`, context),
  }
}
