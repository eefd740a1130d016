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
}

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
}

export function benchBootstrap(options: BenchBootstrap): Record<string, unknown> {
  return {
    node: { id: `sidecar~127.0.0.1~${options.name}.default~default.svc.cluster.local`, cluster: `${options.name}.default` },
    admin: { address: socketAddress(options.adminPort) },
    layered_runtime: { layers: [{ name: 'static', static_layer: { 'overload.global_downstream_max_connections': 50_000 } }] },
    static_resources: { listeners: [listener(options)], clusters: [cluster(options)] },
  }
}

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
    route_config: { name: 'bench', virtual_hosts: virtualHosts() },
    http_filters: options.direction === 'INBOUND' ? [rules, router] : [router],
  }
}

function virtualHosts(): unknown[] {
  const hosts = [...Array.from({ length: 99 }, (_, index) => `service-${index}.default.svc.cluster.local`), BENCH_HOST]
  return hosts.map((host) => ({
    name: `${host}:9080`,
    domains: [host, `${host}:9080`],
    routes: [{ name: 'default', match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '0s' } }],
  }))
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
    alpn_protocols: ['lateen/1', 'istio-http/1.1'],
    tls_params: { tls_minimum_protocol_version: 'TLSv1_3', tls_maximum_protocol_version: 'TLSv1_3' },
    tls_certificates: [{ certificate_chain: { filename: files.chain }, private_key: { filename: files.key } }],
    validation_context: {
      trusted_ca: { filename: files.roots },
      match_typed_subject_alt_names: [{ san_type: 'URI', matcher: { exact: files.peer } }],
    },
  }
}

function socketAddress(port: number): Record<string, unknown> {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
