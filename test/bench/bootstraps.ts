// The bootstraps of the benchmark: one file, read by our proxy and by a stock Envoy alike, shaped as a mesh configures a sidecar:
// a hundred virtual hosts, Istio's text access log, request ids, statistics, RBAC on the inbound side.

const ACCESS_LOG_FORMAT =
  '[%START_TIME%] "%REQ(:METHOD)% %REQ(X-ENVOY-ORIGINAL-PATH?:PATH)% %PROTOCOL%" %RESPONSE_CODE% %RESPONSE_FLAGS% %RESPONSE_CODE_DETAILS% ' +
  '%CONNECTION_TERMINATION_DETAILS% "%UPSTREAM_TRANSPORT_FAILURE_REASON%" %BYTES_RECEIVED% %BYTES_SENT% %DURATION% ' +
  '%RESP(X-ENVOY-UPSTREAM-SERVICE-TIME)% "%REQ(X-FORWARDED-FOR)%" "%REQ(USER-AGENT)%" "%REQ(X-REQUEST-ID)%" "%REQ(:AUTHORITY)%" ' +
  '"%UPSTREAM_HOST%" %UPSTREAM_CLUSTER_RAW% %UPSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_LOCAL_ADDRESS% %DOWNSTREAM_REMOTE_ADDRESS% ' +
  '%REQUESTED_SERVER_NAME% %ROUTE_NAME%\n'

export const BENCH_HOST = 'reviews.default.svc.cluster.local'

export interface TlsFiles {
  readonly chain: string
  readonly key: string
  readonly roots: string
  /** SPIFFE id that the peer must have. */
  readonly peer: string
  /** Undefined: HTTP/1.1, as our control plane names it to both sides. */
  readonly alpn?: readonly string[]
  /** The certificate comes from the control plane that pushes, under PUSHED_SECRET. */
  readonly pushed?: boolean
}

export const PUSHED_SECRET = 'kubernetes://bench'

export interface BenchBootstrap {
  readonly name: string
  readonly adminPort: number
  readonly listenPort: number
  readonly upstreamPort: number
  readonly accessLogPath: string
  readonly direction: 'INBOUND' | 'OUTBOUND'
  readonly downstreamTls?: TlsFiles
  readonly upstreamTls?: TlsFiles
  /** What the upstream is spoken to in; clients choose by how they begin. 'tcp': octets, on both sides. */
  readonly protocol?: 'http1' | 'http2' | 'tcp'
  /** That many more clusters, each with a virtual host of its own, as in a mesh where nothing is scoped. */
  readonly idleClusters?: number
  /** Listener, routes, cluster and endpoints come from a control plane there (push-program.ts). */
  readonly xdsPort?: number
}

export function benchBootstrap(options: BenchBootstrap): Record<string, unknown> {
  return {
    node: { id: `sidecar~127.0.0.1~${options.name}.default~default.svc.cluster.local`, cluster: `${options.name}.default` },
    admin: { address: socketAddress(options.adminPort) },
    layered_runtime: { layers: [{ name: 'static', static_layer: { 'overload.global_downstream_max_connections': 50_000 } }] },
    ...(options.xdsPort === undefined
      ? { static_resources: { listeners: [listener(options)], clusters: [cluster(options), ...idleClusters(options)] } }
      : fromControlPlane(options.xdsPort)),
  }
}

const FROM_ADS = { ads: {}, resource_api_version: 'V3' }

function fromControlPlane(xdsPort: number): Record<string, unknown> {
  const endpoints = [{ lb_endpoints: [{ endpoint: { address: socketAddress(xdsPort) } }] }]
  const xds = { name: 'xds', type: 'STATIC', load_assignment: { cluster_name: 'xds', endpoints } }
  return {
    dynamic_resources: {
      ads_config: { api_type: 'DELTA_GRPC', transport_api_version: 'V3', grpc_services: [{ envoy_grpc: { cluster_name: 'xds' } }] },
      lds_config: FROM_ADS,
      cds_config: FROM_ADS,
    },
    static_resources: { clusters: [{ ...xds, typed_extension_protocol_options: HTTP2_UPSTREAM }] },
  }
}

/** What that control plane sends: `change` makes one version of the routes and endpoints differ from the next. */
export function pushedResources(options: BenchBootstrap, change: number): Record<'listener' | 'routes' | 'cluster' | 'endpoints', object> {
  const { load_assignment: endpoints, ...rest } = cluster(options)
  const headers = [{ header: { key: 'x-change', value: String(change) } }]
  return {
    listener: listener(options),
    routes: { name: ROUTES, virtual_hosts: virtualHosts(options), response_headers_to_add: headers },
    cluster: { ...rest, type: 'EDS', eds_cluster_config: { eds_config: FROM_ADS } },
    endpoints: withWeight(options, change),
  }
}

function withWeight({ upstreamPort }: BenchBootstrap, change: number): object {
  const endpoint = { endpoint: { address: socketAddress(upstreamPort) }, load_balancing_weight: 1 + (change % 100) }
  return { cluster_name: 'upstream', endpoints: [{ lb_endpoints: [endpoint] }] }
}

const ROUTES = 'bench'

function listener(options: BenchBootstrap): Record<string, unknown> {
  return {
    name: `127.0.0.1_${options.listenPort}`,
    address: socketAddress(options.listenPort),
    traffic_direction: options.direction,
    filter_chains: [
      {
        filters: [
          options.protocol === 'tcp'
            ? { name: 'envoy.filters.network.tcp_proxy', typed_config: tcpProxy(options) }
            : { name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager(options) },
        ],
        ...(options.downstreamTls === undefined ? {} : { transport_socket: downstreamTls(options.downstreamTls) }),
      },
    ],
  }
}

function tcpProxy(options: BenchBootstrap): Record<string, unknown> {
  return {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy',
    stat_prefix: `${options.direction.toLowerCase()}_${options.listenPort}`,
    cluster: 'upstream',
    access_log: accessLogs(options),
  }
}

function accessLogs(options: BenchBootstrap): unknown[] {
  return [
    {
      name: 'envoy.access_loggers.file',
      typed_config: {
        '@type': 'type.googleapis.com/envoy.extensions.access_loggers.file.v3.FileAccessLog',
        path: options.accessLogPath,
        log_format: { text_format_source: { inline_string: ACCESS_LOG_FORMAT } },
      },
    },
  ]
}

function connectionManager(options: BenchBootstrap): Record<string, unknown> {
  const rules = {
    name: 'envoy.filters.http.rbac',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.filters.http.rbac.v3.RBAC',
      rules: { action: 'ALLOW', policies: { everyone: { permissions: [{ any: true }], principals: [{ any: true }] } } },
    },
  }
  const router = {
    name: 'envoy.filters.http.router',
    typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
  }
  return {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: `${options.direction.toLowerCase()}_${options.listenPort}`,
    generate_request_id: true,
    stream_idle_timeout: '0s',
    access_log: accessLogs(options),
    ...(options.xdsPort === undefined
      ? { route_config: { name: ROUTES, virtual_hosts: virtualHosts(options) } }
      : { rds: { route_config_name: ROUTES, config_source: FROM_ADS } }),
    upgrade_configs: [{ upgrade_type: 'websocket' }],
    http_filters: options.direction === 'INBOUND' ? [rules, router] : [router],
  }
}

function virtualHosts({ idleClusters: idle = 0 }: BenchBootstrap): unknown[] {
  const upstream = [...Array.from({ length: 99 }, (_, index) => `service-${index}.default.svc.cluster.local`), BENCH_HOST]
  const own = Array.from({ length: idle }, (_, index) => virtualHost(`idle-${index}.default.svc.cluster.local`, idleName(index)))
  return [...upstream.map((host) => virtualHost(host, 'upstream')), ...own]
}

function virtualHost(host: string, to: string): Record<string, unknown> {
  return {
    name: `${host}:9080`,
    domains: [host, `${host}:9080`],
    routes: [{ name: 'default', match: { prefix: '/' }, route: { cluster: to, timeout: '0s' } }],
  }
}

function idleClusters(options: BenchBootstrap): unknown[] {
  return Array.from({ length: options.idleClusters ?? 0 }, (_, index) => ({ ...cluster(options), name: idleName(index) }))
}

function idleName(index: number): string {
  return `outbound|9080||idle-${index}.default.svc.cluster.local`
}

function cluster(options: BenchBootstrap): Record<string, unknown> {
  return {
    name: 'upstream',
    type: 'STATIC',
    connect_timeout: '10s',
    lb_policy: 'LEAST_REQUEST',
    circuit_breakers: {
      thresholds: [{ max_connections: 100_000, max_pending_requests: 100_000, max_requests: 100_000, max_retries: 100_000 }],
    },
    load_assignment: {
      cluster_name: 'upstream',
      endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(options.upstreamPort) } }] }],
    },
    ...(options.upstreamTls === undefined ? {} : { transport_socket: upstreamTls(options.upstreamTls) }),
    ...(options.protocol === 'http2' ? { typed_extension_protocol_options: HTTP2_UPSTREAM } : {}),
  }
}

const HTTP2_UPSTREAM = {
  'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
    '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    explicit_http_config: { http2_protocol_options: {} },
  },
}

function downstreamTls(files: TlsFiles): Record<string, unknown> {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      require_client_certificate: true,
      common_tls_context: commonTls(files),
    },
  }
}

function upstreamTls(files: TlsFiles): Record<string, unknown> {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext',
      sni: `outbound_.9080_._.${BENCH_HOST}`,
      common_tls_context: commonTls(files),
    },
  }
}

function commonTls(files: TlsFiles): Record<string, unknown> {
  return {
    // What our control plane gives both sides: proxies of the mesh agree on the first and then name themselves once per connection.
    alpn_protocols: files.alpn ?? ['lateen/1', 'istio-http/1.1'],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    ...(files.pushed === true
      ? { tls_certificate_sds_secret_configs: [{ name: PUSHED_SECRET, sds_config: FROM_ADS }] }
      : { tls_certificates: [{ certificate_chain: { filename: files.chain }, private_key: { filename: files.key } }] }),
    validation_context: {
      trusted_ca: { filename: files.roots },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: files.peer } }],
    },
  }
}

function socketAddress(port: number): Record<string, unknown> {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
