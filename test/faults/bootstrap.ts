// The bootstrap of a drill's proxy: one listener, its clusters, an access log that says status, flag and reason; what a drill wants to
// speak about is overridden by it. Written in Envoy's own words, so that the same fault can be given to a stock Envoy.

export interface SidecarShape {
  /** In order, all of them: what a cluster must have is added. */
  readonly clusters: readonly ClusterShape[]
  /** In order; the prefix is '/' and the name of the cluster. */
  readonly routes: readonly RouteShape[]
  readonly manager?: Readonly<Record<string, unknown>>
  readonly filterChain?: Readonly<Record<string, unknown>>
  readonly root?: Readonly<Record<string, unknown>>
  /** Makes each line of the access log so much longer. */
  readonly logFiller?: string
  /** 'stdout' or a path. */
  readonly accessLog?: string
}

export interface ClusterShape {
  readonly name: string
  readonly host: string
  readonly port: number
  readonly overrides?: Readonly<Record<string, unknown>>
}

export interface RouteShape {
  readonly to: string
  readonly action?: Readonly<Record<string, unknown>>
}

export interface SidecarAddresses {
  readonly host: string
  readonly adminPort: number
  readonly port: number
}

const TYPE = 'type.googleapis.com/envoy'
const LINE =
  '%REQ(:PATH)% %RESPONSE_CODE% %RESPONSE_FLAGS% %DURATION% %RESPONSE_CODE_DETAILS% %UPSTREAM_TRANSPORT_FAILURE_REASON% ' +
  '%CONNECTION_TERMINATION_DETAILS%\n'

export function sidecarBootstrap(shape: SidecarShape, { host, adminPort, port }: SidecarAddresses): Record<string, unknown> {
  return {
    node: { id: `sidecar~${host}~drill.default~default.svc.cluster.local`, cluster: 'drill.default' },
    admin: { address: socketAddress(host, adminPort) },
    static_resources: { listeners: [listener(shape, host, port)], clusters: shape.clusters.map(cluster) },
    ...shape.root,
  }
}

function listener(shape: SidecarShape, host: string, port: number): Record<string, unknown> {
  return {
    name: 'main',
    address: socketAddress(host, port),
    traffic_direction: 'OUTBOUND',
    access_log: [accessLog(shape.accessLog ?? 'stdout')],
    filter_chains: [
      { filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager(shape) }], ...shape.filterChain },
    ],
  }
}

function manager({ accessLog: target = 'stdout', ...shape }: SidecarShape): Record<string, unknown> {
  return {
    '@type': `${TYPE}.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager`,
    stat_prefix: 'drill',
    access_log: [accessLog(target, shape.logFiller)],
    route_config: {
      name: 'drill',
      virtual_hosts: [
        {
          name: 'all',
          domains: ['*'],
          routes: shape.routes.map(({ to, action }) => ({ match: { prefix: `/${to}` }, route: { cluster: to, timeout: '0s', ...action } })),
        },
      ],
    },
    http_filters: [{ name: 'envoy.filters.http.router', typed_config: { '@type': `${TYPE}.extensions.filters.http.router.v3.Router` } }],
    ...shape.manager,
  }
}

function accessLog(target: string, filler = ''): Record<string, unknown> {
  const format = { log_format: { text_format_source: { inline_string: LINE.replace('\n', `${filler}\n`) } } }
  return target === 'stdout'
    ? {
        name: 'envoy.access_loggers.stdout',
        typed_config: { '@type': `${TYPE}.extensions.access_loggers.stream.v3.StdoutAccessLog`, ...format },
      }
    : {
        name: 'envoy.access_loggers.file',
        typed_config: { '@type': `${TYPE}.extensions.access_loggers.file.v3.FileAccessLog`, path: target, ...format },
      }
}

function cluster({ name, host, port, overrides }: ClusterShape): Record<string, unknown> {
  return {
    name,
    type: 'STATIC',
    // Far longer than any machine is busy: what a drill says about connecting it sets itself.
    connect_timeout: '10s',
    load_assignment: { cluster_name: name, endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress(host, port) } }] }] },
    ...overrides,
  }
}

export function socketAddress(host: string, port: number): Record<string, unknown> {
  return { socket_address: { address: host, port_value: port } }
}
