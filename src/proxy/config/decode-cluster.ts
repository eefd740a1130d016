// Cluster messages. Endpoints of an EDS cluster come apart (assemble.ts joins them); the others carry theirs.
// Invariant: what is not said has Envoy's default, written here and nowhere else.
import { isIPv6 } from 'node:net'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import { decodeBalancer, decodeUpstreamProtocol } from './decode-cluster-options.ts'
import type { DecodeContext } from './decode-context.ts'
import { decodeEndpoints, type EndpointRules } from './decode-endpoint.ts'
import { decodeMetadata, stringFields } from './decode-metadata.ts'
import { decodeUpstreamTransport } from './decode-tls.ts'
import type { CircuitBreaker, Cluster, TcpKeepalive } from './proxy-config.ts'

export interface DecodedCluster {
  readonly cluster: Cluster
  /** Name to ask EDS for; undefined for other kinds. */
  readonly edsName: string | undefined
  readonly endpointRules: EndpointRules
}

const DISCOVERY = {
  STATIC: 'static',
  EDS: 'eds',
  STRICT_DNS: 'strict-dns',
  LOGICAL_DNS: 'logical-dns',
  ORIGINAL_DST: 'original-destination',
} as const

const HOUR_MS = 3_600_000

export function decodeCluster(message: envoy.Cluster, at: string, context: DecodeContext): DecodedCluster | undefined {
  const name = message.name ?? ''
  if (name === '') return context.error(`${at}name`, 'a cluster needs a name')
  const discovery = DISCOVERY[message.type ?? 'STATIC']
  const endpointRules = {
    allowsNames: discovery === 'strict-dns' || discovery === 'logical-dns',
    localityWeighted: message.commonLbConfig?.localityWeightedLbConfig !== undefined,
  }
  const balancer = decodeBalancer(message, discovery, at, context)
  const { protocol, common, http2 } = decodeUpstreamProtocol(message, at, context)
  const transport = decodeUpstreamTransport(message.transportSocket, `${at}transport_socket`, context)
  const transportMatches = decodeTransportMatches(message, at, context)
  const endpoints = discovery === 'eds' ? [] : decodeEndpoints(message.loadAssignment, endpointRules, `${at}load_assignment.`, context)
  if (balancer === undefined || transport === undefined) return undefined
  const cluster: Cluster = {
    name,
    statName: message.altStatName === undefined || message.altStatName === '' ? name : message.altStatName,
    discovery,
    endpoints,
    connectTimeoutMs: message.connectTimeout ?? 5_000,
    balancer: balancer.kind,
    panicThresholdPercent:
      message.commonLbConfig?.healthyPanicThreshold === undefined ? undefined : (message.commonLbConfig.healthyPanicThreshold.value ?? 0),
    choiceCount: balancer.choiceCount,
    circuitBreaker: decodeCircuitBreaker(message.circuitBreakers),
    upstreamProtocol: protocol,
    http2,
    maxRequestsPerConnection: positive(common?.maxRequestsPerConnection ?? message.maxRequestsPerConnection),
    idleTimeoutMs: common?.idleTimeout ?? HOUR_MS,
    tls: transport.tls,
    transportMatches,
    bindAddress: message.upstreamBindConfig?.sourceAddress?.address,
    ...decodeOtherBindAddress(message.upstreamBindConfig),
    keepalive: decodeKeepalive(message.upstreamConnectionOptions?.tcpKeepalive),
    metadata: decodeMetadata(message.metadata),
  }
  const edsName = discovery === 'eds' ? message.edsClusterConfig?.serviceName || name : undefined
  return { cluster, edsName, endpointRules }
}

/** What is not said is as in Linux: two hours, 75 seconds, nine times (tcp(7)). */
function decodeKeepalive(message: envoy.TcpKeepalive | undefined): TcpKeepalive | undefined {
  if (message === undefined) return undefined
  const { keepaliveTime = 7200, keepaliveInterval = 75, keepaliveProbes = 9 } = message
  return { afterMs: keepaliveTime * 1000, intervalMs: keepaliveInterval * 1000, probes: keepaliveProbes }
}

/** The first of the family that the source address is not of (Envoy: the first that fits the endpoint). */
function decodeOtherBindAddress(bind: envoy.BindConfig | undefined): Pick<Cluster, 'otherBindAddress'> {
  if (bind?.extraSourceAddresses === undefined) return {}
  const family = isIPv6(bind.sourceAddress?.address ?? '')
  const other = bind.extraSourceAddresses.map(({ address }) => address?.address ?? '').find((each) => isIPv6(each) !== family)
  return other === undefined ? {} : { otherBindAddress: other }
}

function positive(value: number | undefined): number | undefined {
  return value === undefined || value <= 0 ? undefined : value
}

function decodeTransportMatches(message: envoy.Cluster, at: string, context: DecodeContext): Cluster['transportMatches'] {
  return (message.transportSocketMatches ?? []).flatMap((match, index) => {
    const transport = decodeUpstreamTransport(match.transportSocket, `${at}transport_socket_matches[${index}].transport_socket`, context)
    return transport === undefined ? [] : [{ name: match.name ?? '', labels: stringFields(match.match), tls: transport.tls }]
  })
}

/** Envoy: 1024 connections, pending requests and requests, 3 retries. Only the default priority is used. */
function decodeCircuitBreaker(breakers: envoy.CircuitBreakers | undefined): CircuitBreaker {
  const thresholds = breakers?.thresholds?.find(({ priority = 'DEFAULT' }) => priority === 'DEFAULT')
  return {
    maxConnections: thresholds?.maxConnections ?? 1024,
    maxPendingRequests: thresholds?.maxPendingRequests ?? 1024,
    maxRequests: thresholds?.maxRequests ?? 1024,
    maxRetries: thresholds?.maxRetries ?? 3,
  }
}
