// How clients treat a destination: limits, balancing, TLS. Part of a destination policy; every block absent means the mesh's default.
// Invariant: a block replaces its parent's as a whole (subset over rule), and a port's settings replace all blocks (Istio's rules).

export interface TrafficPolicy extends PolicyBlocks {
  /** By port of the service. */
  readonly ports: Readonly<Record<string, PolicyBlocks>>
}

export interface PolicyBlocks {
  readonly pool?: ConnectionPool
  readonly balancing?: Balancing
  readonly outliers?: OutlierDetection
  readonly tls?: ClientTls
}

export const NO_TRAFFIC_POLICY: TrafficPolicy = { ports: {} }

/** Undefined: the mesh's default. */
export interface ConnectionPool {
  readonly maxConnections?: number
  readonly connectTimeoutMs?: number
  readonly keepalive?: { readonly probes?: number; readonly timeSeconds?: number; readonly intervalSeconds?: number }
  /** Of connections that are not read as HTTP; 0: never. */
  readonly tcpIdleTimeoutMs?: number
  readonly maxPendingRequests?: number
  readonly maxRequests?: number
  readonly maxRetries?: number
  readonly maxRequestsPerConnection?: number
  readonly httpIdleTimeoutMs?: number
  readonly maxConcurrentStreams?: number
  /** 'upgrade': HTTP/2 to the destination; 'client': the version that the client speaks. */
  readonly httpVersion?: 'upgrade' | 'client'
}

/** 'passthrough': to the address that the client called. */
export type Balancing = 'least-request' | 'round-robin' | 'random' | 'passthrough'

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
  readonly serverName?: string
  readonly subjectAltNames: readonly string[]
  readonly acceptsAnyServer: boolean
}

/** What holds for one port of a service, or of one of its subsets. */
export function blocksFor(traffic: TrafficPolicy, subset: TrafficPolicy | undefined, port: number): PolicyBlocks {
  const ofPort = subset?.ports[port] ?? traffic.ports[port]
  if (ofPort !== undefined) return ofPort
  const { ports: _ports, ...general } = traffic
  const { ports: _subsetPorts, ...own } = subset ?? NO_TRAFFIC_POLICY
  return { ...general, ...own }
}
