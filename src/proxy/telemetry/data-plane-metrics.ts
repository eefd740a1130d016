// lateen_proxy_*: what the data plane itself counts, read when it is asked for. Called once by the composition root.
import type { ClusterStatus, DataPlane } from '../data-plane.ts'
import type { MetricRegistry } from './metrics.ts'

type Observed = Pick<DataPlane, 'activeConnections' | 'activeRequests' | 'clusterStatus'>

export function registerDataPlane(registry: MetricRegistry, dataPlane: Observed): void {
  registry.observe('gauge', 'lateen_proxy_downstream_connections', 'Open connections from clients.', () => [
    { value: dataPlane.activeConnections },
  ])
  registry.observe('gauge', 'lateen_proxy_downstream_requests', 'Requests in progress.', () => [{ value: dataPlane.activeRequests }])
  const perCluster = (value: (status: ClusterStatus) => number) => () =>
    dataPlane.clusterStatus().map((status) => ({ labels: { cluster: status.name }, value: value(status) }))
  registry.observe(
    'gauge',
    'lateen_proxy_upstream_connections',
    'Open connections to a cluster.',
    perCluster((each) => each.activeConnections),
  )
  registry.observe(
    'gauge',
    'lateen_proxy_upstream_requests',
    'Requests in progress to a cluster.',
    perCluster((each) => each.activeRequests),
  )
  registry.observe(
    'counter',
    'lateen_proxy_upstream_connections_total',
    'Connections made to a cluster.',
    perCluster((each) => each.totalConnections),
  )
  registry.observe('counter', 'lateen_proxy_tls_handshakes_total', 'TLS handshakes with a cluster, full and resumed.', () =>
    dataPlane.clusterStatus().flatMap((status) => [
      { labels: { cluster: status.name, kind: 'full' }, value: status.fullHandshakes },
      { labels: { cluster: status.name, kind: 'resumed' }, value: status.resumedHandshakes },
    ]),
  )
  registry.observe(
    'counter',
    'lateen_proxy_upstream_connect_failures_total',
    'Connections to a cluster that failed.',
    perCluster((each) => each.endpoints.reduce((sum, endpoint) => sum + endpoint.connectFailures, 0)),
  )
}
