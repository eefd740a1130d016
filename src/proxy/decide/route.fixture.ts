// Small configurations for tests of decisions: only what a test says differs from the plainest.
import type {
  Cluster,
  ForwardAction,
  HeaderMutations,
  Route,
  RouteMatch,
  RouteTable,
  VirtualHost,
  WeightedCluster,
} from '../config/proxy-config.ts'

const NONE: HeaderMutations = { remove: [], set: [] }
const HEADERS = { requestHeaders: NONE, responseHeaders: NONE }

export function routeMatch(path: RouteMatch['path'], fields: Partial<RouteMatch> = {}): RouteMatch {
  return { path, headers: [], queryParameters: [], fractionPerMillion: undefined, ...fields }
}

export const prefix = (value: string, ignoreCase = false): RouteMatch['path'] => ({ kind: 'prefix', value, ignoreCase })

export function weightedCluster(name: string, weight = 1): WeightedCluster {
  return { name, weight, ...HEADERS }
}

export function forward(...clusters: readonly WeightedCluster[]): ForwardAction {
  return {
    kind: 'forward',
    clusters,
    totalWeight: clusters.reduce((sum, { weight }) => sum + weight, 0),
    timeoutMs: undefined,
    idleTimeoutMs: undefined,
    retry: undefined,
    pathRewrite: undefined,
    hostRewrite: undefined,
    upgrades: new Map(),
  }
}

export function route(name: string, match: RouteMatch, fields: Partial<Route> = {}): Route {
  return {
    name,
    match,
    action: forward(weightedCluster(name)),
    ...HEADERS,
    rules: undefined,
    metadata: { config: undefined, services: [] },
    ...fields,
  }
}

export function virtualHost(
  name: string,
  routes: readonly Route[] = [route(name, routeMatch(prefix('/')))],
  fields: Partial<VirtualHost> = {},
): VirtualHost {
  return {
    name,
    routes,
    requiresTls: false,
    includeAttemptCountInRequest: false,
    includeAttemptCountInResponse: false,
    ...HEADERS,
    ...fields,
  }
}

export function routeTable(fields: Partial<RouteTable>): RouteTable {
  return {
    name: 'table',
    exactHosts: new Map(),
    suffixHosts: [],
    prefixHosts: [],
    defaultHost: undefined,
    ignoresPort: false,
    ...HEADERS,
    ...fields,
  }
}

export function staticCluster(name: string, fields: Partial<Cluster> = {}): Cluster {
  return {
    name,
    statName: name,
    discovery: 'static',
    endpoints: [],
    connectTimeoutMs: 1000,
    balancer: 'least-request',
    choiceCount: 2,
    circuitBreaker: { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 },
    upstreamProtocol: 'http1',
    maxRequestsPerConnection: undefined,
    idleTimeoutMs: 60_000,
    tls: undefined,
    transportMatches: [],
    bindAddress: undefined,
    metadata: { config: undefined, services: [] },
    ...fields,
  }
}
