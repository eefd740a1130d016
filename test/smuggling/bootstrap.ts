// Our proxy as it stands in front of an application: one listener for each backend, no route but all of them. Strict as it comes.

/** @param http2Ports those among the upstreams that speak HTTP/2. */
export function proxyBootstrap(
  adminPort: number,
  ports: readonly number[],
  upstreamPorts: readonly number[],
  http2Ports: readonly number[] = [],
): Record<string, unknown> {
  return {
    node: { id: 'sidecar~127.0.0.1~smuggling.default~default.svc.cluster.local', cluster: 'smuggling.default' },
    admin: { address: address(adminPort) },
    static_resources: {
      listeners: ports.map((port, index) => ({
        name: `l${index}`,
        address: address(port),
        filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager(index) }] }],
      })),
      clusters: upstreamPorts.map((port, index) => ({
        name: `c${index}`,
        type: 'STATIC',
        connect_timeout: '1s',
        ...(http2Ports.includes(port) ? { typed_extension_protocol_options: HTTP2 } : {}),
        load_assignment: { cluster_name: `c${index}`, endpoints: [{ lb_endpoints: [{ endpoint: { address: address(port) } }] }] },
      })),
    },
  }
}

const HTTP2 = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
}

function manager(index: number): Record<string, unknown> {
  return {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: 's',
    route_config: {
      name: 'r',
      virtual_hosts: [{ name: 'all', domains: ['*'], routes: [{ match: { prefix: '' }, route: { cluster: `c${index}`, timeout: '5s' } }] }],
    },
    http_filters: [
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
  }
}

function address(port: number): Record<string, unknown> {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
