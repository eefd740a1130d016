// How clients treat a destination: limits, balancing, TLS. Part of a destination policy; every block absent means the mesh's default.
// Invariant: a block replaces its parent's as a whole (subset over rule), and a port's settings replace all blocks (Istio's rules).

import type { Balancing } from './load-balancing.ts'

export interface TrafficPolicy extends EffectivePolicy {
  /** By port of the service. */
  readonly ports: Readonly<Record<string, PolicyBlocks>>
}

/** What a port's settings replace. */
export interface PolicyBlocks {
  readonly pool?: ConnectionPool
  readonly balancing?: Balancing
  readonly outliers?: OutlierDetection
  readonly tls?: ClientTls
}

/** With what is said of all ports at once. */
export interface EffectivePolicy extends PolicyBlocks {
  readonly tunnel?: Tunnel
  readonly proxyProtocol?: 'v1' | 'v2'
  readonly retryBudget?: RetryBudget
}

export const NO_TRAFFIC_POLICY: TrafficPolicy = { ports: {} }

/** Undefined: the mesh's default. */
export interface ConnectionPool {
  readonly maxConnections?: number
  readonly connectTimeoutMs?: number
  readonly keepalive?: { readonly probes?: number; readonly timeSeconds?: number; readonly intervalSeconds?: number }
  /** Of connections that are not read as HTTP; 0: never. */
  readonly tcpIdleTimeoutMs?: number
  readonly maxConnectionDurationMs?: number
  readonly maxPendingRequests?: number
  readonly maxRequests?: number
  readonly maxRetries?: number
  readonly maxRequestsPerConnection?: number
  readonly httpIdleTimeoutMs?: number
  readonly maxConcurrentStreams?: number
  readonly http2Keepalive?: { readonly intervalMs: number; readonly timeoutMs: number }
  /** 'upgrade': HTTP/2 to the destination; 'keep': as the port says, whatever the mesh's default; 'client': the client's. */
  readonly httpVersion?: 'upgrade' | 'keep' | 'client'
}

export interface OutlierDetection {
  readonly consecutive5xx?: number
  readonly consecutiveGatewayErrors?: number
  readonly consecutiveLocalErrors?: number
  readonly splitsLocalErrors: boolean
  readonly intervalMs?: number
  readonly baseEjectionMs?: number
  readonly maxEjectionPercent?: number
  /** Below it, Envoy balances over all endpoints. */
  readonly minHealthPercent: number
}

export interface ClientTls {
  readonly mode: 'disable' | 'simple' | 'mutual' | 'mesh'
  /** Files in the proxy. */
  readonly certificatePath?: string
  readonly keyPath?: string
  /** Undefined: the system's authorities. */
  readonly authoritiesPath?: string
  /** Revoked certificates. */
  readonly revocationsPath?: string
  /** A secret with certificate and authorities, instead of files. */
  readonly secret?: string
  readonly serverName?: string
  readonly subjectAltNames: readonly string[]
  readonly acceptsAnyServer: boolean
}

/** Connections end at another host, which the destination connects to by HTTP CONNECT (or POST). */
export interface Tunnel {
  readonly method: 'CONNECT' | 'POST'
  readonly host: string
  readonly port: number
}

/** Retries in flight, at most; takes the place of maxRetries. */
export interface RetryBudget {
  /** Of the requests in flight. */
  readonly percent: number
  /** Always allowed. */
  readonly minimum: number
}

/** What holds for one port of a service, or of one of its subsets: the subset's port before the subset before the rule's port before the
 *  rule (Istio's order). What is said of all ports at once is never replaced by a port. */
export function policyFor(traffic: TrafficPolicy, subset: TrafficPolicy | undefined, port: number): EffectivePolicy {
  const ruled = atPort(traffic, port)
  if (subset === undefined) return ruled
  const ofPort = subset.ports[port]
  const { ports: _ports, ...own } = subset
  if (ofPort === undefined) return { ...ruled, ...own }
  return { ...allPorts(ruled), ...allPorts(own), ...ofPort }
}

function atPort(traffic: TrafficPolicy, port: number): EffectivePolicy {
  const { ports, ...general } = traffic
  const ofPort = ports[port]
  return ofPort === undefined ? general : { ...allPorts(general), ...ofPort }
}

function allPorts({ pool: _pool, balancing: _balancing, outliers: _outliers, tls: _tls, ...all }: EffectivePolicy): EffectivePolicy {
  return all
}
