// Configurations for tests of the data plane, made of the parts that a test wants to speak about; the rest is what Envoy defaults to.
import type {
  Cluster,
  DownstreamTls,
  Endpoint,
  FilterChain,
  ForwardAction,
  HttpConnectionManager,
  Listener,
  ListenerInspection,
  PeerValidation,
  ProxyConfig,
  RetryPolicy,
  Route,
  RouteAction,
  UpstreamTls,
  VirtualHost,
} from '../../src/proxy/config/proxy-config.ts'
import type { TestCa } from '../harness/certificates.ts'

export const NO_MUTATIONS = { remove: [], set: [] }
export const INSPECTS_NOTHING: ListenerInspection = { tls: false, http: false, timeoutMs: 15_000, continuesOnTimeout: false }
export const INSPECTS_TLS: ListenerInspection = { ...INSPECTS_NOTHING, tls: true }
export const NO_METADATA = { config: undefined, services: [] }

export function endpoint(port: number, overrides: Partial<Endpoint> = {}): Endpoint {
  return {
    address: { host: '127.0.0.1', port },
    weight: 1,
    priority: 0,
    locality: '',
    health: 'healthy',
    transportLabels: {},
    workload: undefined,
    ...overrides,
  }
}

export function cluster(name: string, ports: readonly number[], overrides: Partial<Cluster> = {}): Cluster {
  return {
    name,
    statName: name,
    discovery: 'static',
    endpoints: ports.map((port) => endpoint(port)),
    connectTimeoutMs: 1000,
    balancer: 'round-robin',
    choiceCount: 2,
    circuitBreaker: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 },
    upstreamProtocol: 'http1',
    maxRequestsPerConnection: undefined,
    idleTimeoutMs: 60_000,
    tls: undefined,
    transportMatches: [],
    bindAddress: undefined,
    metadata: NO_METADATA,
    ...overrides,
  }
}

export function forwardTo(name: string, overrides: Partial<ForwardAction> = {}): ForwardAction {
  return {
    kind: 'forward',
    clusters: [{ name, weight: 100, requestHeaders: NO_MUTATIONS, responseHeaders: NO_MUTATIONS }],
    totalWeight: 100,
    timeoutMs: undefined,
    idleTimeoutMs: undefined,
    retry: undefined,
    pathRewrite: undefined,
    hostRewrite: undefined,
    upgrades: new Map(),
    ...overrides,
  }
}

export function retries(overrides: Partial<RetryPolicy> = {}): RetryPolicy {
  return {
    maxRetries: 2,
    on: new Set(['connect-failure', 'refused-stream', 'reset-before-request']),
    retriableStatusCodes: new Set(),
    perTryTimeoutMs: undefined,
    backoffBaseMs: 1,
    backoffMaxMs: 2,
    avoidsPreviousHosts: true,
    hostSelectionAttempts: 5,
    ...overrides,
  }
}

export function route(prefix: string, action: RouteAction, overrides: Partial<Route> = {}): Route {
  return {
    name: '',
    match: {
      path: { kind: 'prefix', value: prefix, ignoreCase: false },
      headers: [],
      queryParameters: [],
      fractionPerMillion: undefined,
    },
    action,
    requestHeaders: NO_MUTATIONS,
    responseHeaders: NO_MUTATIONS,
    rules: undefined,
    metadata: NO_METADATA,
    ...overrides,
  }
}

export function virtualHost(routes: readonly Route[], overrides: Partial<VirtualHost> = {}): VirtualHost {
  return {
    name: 'all',
    routes,
    requiresTls: false,
    includeAttemptCountInRequest: false,
    includeAttemptCountInResponse: false,
    requestHeaders: NO_MUTATIONS,
    responseHeaders: NO_MUTATIONS,
    ...overrides,
  }
}

export function manager(host: VirtualHost, overrides: Partial<HttpConnectionManager> = {}): HttpConnectionManager {
  return {
    kind: 'http',
    statPrefix: 'test',
    routes: {
      name: 'routes',
      exactHosts: new Map(),
      suffixHosts: [],
      prefixHosts: [],
      defaultHost: host,
      ignoresPort: false,
      requestHeaders: NO_MUTATIONS,
      responseHeaders: NO_MUTATIONS,
    },
    accessLogs: [],
    requestId: { generate: true, preserveExternal: false, alwaysInResponse: false },
    useRemoteAddress: false,
    xffNumTrustedHops: 0,
    skipXffAppend: false,
    forwardClientCert: { mode: 'sanitize', subject: false, uri: false, dns: false },
    upgrades: new Set(),
    serverHeader: { kind: 'overwrite', name: 'envoy' },
    maxRequestHeadersBytes: 60 * 1024,
    maxRequestHeaders: 100,
    idleTimeoutMs: 3_600_000,
    streamIdleTimeoutMs: 300_000,
    requestTimeoutMs: undefined,
    normalizePath: false,
    mergeSlashes: false,
    escapedSlashes: 'keep',
    underscoredNames: 'allow',
    httpRules: [],
    acceptHttp10: false,
    via: undefined,
    ...overrides,
  }
}

export function chain(terminal: FilterChain['terminal'], overrides: Partial<FilterChain> = {}): FilterChain {
  return {
    name: 'chain',
    match: {
      destinationPort: undefined,
      destinationRanges: [],
      serverNames: [],
      transportProtocol: undefined,
      applicationProtocols: [],
      sourceRanges: [],
    },
    tls: undefined,
    networkRules: [],
    terminal,
    ...overrides,
  }
}

/** A chain for connections that begin with a ClientHello. */
export function tlsChain(terminal: FilterChain['terminal'], tls: DownstreamTls, overrides: Partial<FilterChain> = {}): FilterChain {
  const plain = chain(terminal)
  return { ...plain, name: 'tls', match: { ...plain.match, transportProtocol: 'tls' }, tls, ...overrides }
}

export function listener(chains: readonly FilterChain[], overrides: Partial<Listener> = {}): Listener {
  return {
    name: 'main',
    address: { host: '127.0.0.1', port: 0 },
    direction: 'inbound',
    bindToPort: true,
    useOriginalDestination: false,
    inspection: INSPECTS_NOTHING,
    filterChains: chains,
    defaultFilterChain: undefined,
    accessLogs: [],
    metadata: NO_METADATA,
    ...overrides,
  }
}

export function proxyConfig(listeners: readonly Listener[], clusters: readonly Cluster[]): ProxyConfig {
  return {
    listeners: new Map(listeners.map((each) => [each.name, each])),
    clusters: new Map(clusters.map((each) => [each.name, each])),
  }
}

/** A listener that sends everything to one cluster. */
export function simpleConfig(
  ports: readonly number[],
  options: {
    readonly action?: Partial<ForwardAction>
    readonly manager?: Partial<HttpConnectionManager>
    readonly cluster?: Partial<Cluster>
  } = {},
): ProxyConfig {
  const host = virtualHost([route('/', forwardTo('up', options.action))])
  return proxyConfig([listener([chain(manager(host, options.manager))])], [cluster('up', ports, options.cluster)])
}

export function validation(ca: TestCa | undefined, uris: readonly string[] = []): PeerValidation {
  return {
    trust: ca === undefined ? undefined : { kind: 'pem', pem: ca.rootPem },
    subjectAltNames: uris.map((uri) => ({ type: 'uri', spec: { kind: 'exact', value: uri }, matches: (name) => name === uri })),
  }
}

export function downstreamTls(ca: TestCa, id: string, overrides: Partial<DownstreamTls> = {}): DownstreamTls {
  return {
    certificate: { kind: 'pem', ...ca.issue(id) },
    validation: validation(ca),
    requiresClientCertificate: true,
    alpn: [],
    minVersion: 'TLSv1.2',
    ...overrides,
  }
}

export function upstreamTls(ca: TestCa, id: string, peers: readonly string[], overrides: Partial<UpstreamTls> = {}): UpstreamTls {
  return {
    certificate: { kind: 'pem', ...ca.issue(id) },
    validation: validation(ca, peers),
    sni: 'reviews.default.svc.cluster.local',
    alpn: [],
    minVersion: 'TLSv1.2',
    ...overrides,
  }
}
