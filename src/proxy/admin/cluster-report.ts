// /clusters and /listeners, as text and as JSON (envoy.admin.v3.Clusters and Listeners).
import type { Cluster, Endpoint, ProxyConfig } from '../config/proxy-config.ts'
import type { ClusterStatus } from '../data-plane.ts'

type EndpointStatus = ClusterStatus['endpoints'][number]

export function clustersText(config: ProxyConfig, status: readonly ClusterStatus[]): string {
  const live = new Map(status.map((each) => [each.name, each]))
  return [...config.clusters.values()].map((cluster) => clusterText(cluster, live.get(cluster.name))).join('')
}

function clusterText(cluster: Cluster, live: ClusterStatus | undefined): string {
  const { maxConnections, maxPendingRequests, maxRequests, maxRetries } = cluster.circuitBreaker
  const lines = [
    `observability_name::${cluster.statName}`,
    `default_priority::max_connections::${maxConnections}`,
    `default_priority::max_pending_requests::${maxPendingRequests}`,
    `default_priority::max_requests::${maxRequests}`,
    `default_priority::max_retries::${maxRetries}`,
    `cx_active::${live?.activeConnections ?? 0}`,
    `rq_active::${live?.activeRequests ?? 0}`,
    `cx_total::${live?.totalConnections ?? 0}`,
  ]
  for (const { endpoint, state } of withStatus(cluster, live)) {
    const address = addressOf(endpoint)
    lines.push(
      `${address}::cx_connect_fail::${state?.connectFailures ?? 0}`,
      `${address}::rq_active::${state?.activeRequests ?? 0}`,
      `${address}::rq_total::${state?.totalRequests ?? 0}`,
      `${address}::health_flags::${state?.health ?? endpoint.health}`,
      `${address}::weight::${endpoint.weight}`,
      `${address}::locality::${endpoint.locality}`,
      `${address}::priority::${endpoint.priority}`,
    )
  }
  return lines.map((line) => `${cluster.name}::${line}\n`).join('')
}

function addressOf({ address: { host, port } }: Endpoint): string {
  return host.includes(':') ? `[${host}]:${port}` : `${host}:${port}`
}

function withStatus(
  cluster: Cluster,
  live: ClusterStatus | undefined,
): readonly { readonly endpoint: Endpoint; readonly state: EndpointStatus | undefined }[] {
  const states = new Map(live?.endpoints.map((each) => [each.address, each]))
  return cluster.endpoints.map((endpoint) => ({ endpoint, state: states.get(addressOf(endpoint)) }))
}

const EDS_HEALTH: Readonly<Record<string, string>> = { healthy: 'HEALTHY', unhealthy: 'UNHEALTHY', draining: 'DRAINING' }

export function clustersJson(config: ProxyConfig, status: readonly ClusterStatus[]): unknown {
  const live = new Map(status.map((each) => [each.name, each]))
  return {
    cluster_statuses: [...config.clusters.values()].map((cluster) => ({
      name: cluster.name,
      added_via_api: cluster.discovery === 'eds',
      observability_name: cluster.statName,
      host_statuses: withStatus(cluster, live.get(cluster.name)).map(({ endpoint, state }) => ({
        address: { socket_address: { address: endpoint.address.host, port_value: endpoint.address.port } },
        stats: [
          { name: 'cx_connect_fail', value: String(state?.connectFailures ?? 0) },
          { name: 'rq_total', value: String(state?.totalRequests ?? 0) },
          { name: 'rq_active', value: String(state?.activeRequests ?? 0), type: 'GAUGE' },
        ],
        health_status: { eds_health_status: EDS_HEALTH[endpoint.health] ?? 'UNKNOWN' },
        weight: endpoint.weight,
        ...(endpoint.priority > 0 && { priority: endpoint.priority }),
      })),
    })),
  }
}

export function listenersText(config: ProxyConfig): string {
  return [...config.listeners.values()].map(({ name, address }) => `${name}::${address.host}:${address.port}\n`).join('')
}

export function listenersJson(config: ProxyConfig): unknown {
  return {
    listener_statuses: [...config.listeners.values()].map(({ name, address }) => ({
      name,
      local_address: { socket_address: { address: address.host, port_value: address.port } },
    })),
  }
}
