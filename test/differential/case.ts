// A differential case is data: routes, filters and requests in one YAML file under cases/. All cases share one bootstrap, a listener
// each, so that hundreds of them cost one start of Envoy and one of our proxy.
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { parse } from 'yaml'

export interface DifferentialCase {
  readonly name: string
  /** The fact that the case states. */
  readonly what: string
  readonly routeConfig: Record<string, unknown>
  /** Fields of the connection manager beyond the usual ones. */
  readonly connectionManager: Record<string, unknown>
  /** HTTP filters before the router. */
  readonly httpFilters: readonly unknown[]
  readonly requests: readonly CaseRequest[]
}

export interface CaseRequest {
  readonly method: string
  readonly path: string
  readonly host: string | undefined
  readonly headers: readonly (readonly [string, string])[]
  readonly body: string | undefined
  /** The whole request as text, in place of the above; '\n' stands for CR LF. */
  readonly raw: string | undefined
  /** Further bytes for the same connection, each sent when something has come back; '\n' stands for CR LF. */
  readonly followedBy: readonly string[]
  /** Response header names that may differ, each with the reason in a comment of the case. */
  readonly ignore: readonly string[]
  /** The same for headers that the application sees. */
  readonly ignoreUpstream: readonly string[]
  /** Only the status and what the upstream saw are compared: the answer is the proxy's own and its words are ours. */
  readonly statusOnly: boolean
  /** Where we differ from Envoy on purpose (docs/differences.md): our statuses, in place of a comparison. */
  readonly ours: readonly number[] | undefined
}

const FOLDER = path.join(import.meta.dirname, 'cases')

export function readCases(): DifferentialCase[] {
  return readdirSync(FOLDER)
    .filter((file) => file.endsWith('.yaml'))
    .sort()
    .map((file) => fromYaml(file.replace(/\.yaml$/, ''), parse(readFileSync(path.join(FOLDER, file), 'utf8')) as Record<string, unknown>))
}

function fromYaml(name: string, yaml: Record<string, unknown>): DifferentialCase {
  const requests = yaml.requests
  if (!Array.isArray(requests) || requests.length === 0) throw new Error(`${name}.yaml has no requests`)
  return {
    name,
    what: String(yaml.what),
    routeConfig: (yaml.route_config ?? {}) as Record<string, unknown>,
    connectionManager: (yaml.connection_manager ?? {}) as Record<string, unknown>,
    httpFilters: (yaml.http_filters ?? []) as unknown[],
    requests: requests.map((request: Record<string, unknown>) => ({
      method: String(request.method ?? 'GET'),
      path: String(request.path ?? '/'),
      host: request.host === null ? undefined : String(request.host ?? 'reviews'),
      headers: Object.entries((request.headers ?? {}) as Record<string, string | string[]>).flatMap(([header, value]) =>
        (Array.isArray(value) ? value : [value]).map((each) => [header, String(each)] as const),
      ),
      body: request.body === undefined ? undefined : String(request.body),
      raw: request.raw === undefined ? undefined : wire(request.raw),
      followedBy: ((request.followed_by ?? []) as unknown[]).map(wire),
      ignore: (request.ignore ?? []) as string[],
      ignoreUpstream: (request.ignore_upstream ?? []) as string[],
      statusOnly: request.status_only === true,
      ours: request.ours as number[] | undefined,
    })),
  }
}

function wire(text: unknown): string {
  return String(text).replaceAll(/\r?\n/g, '\r\n')
}

export function requestBytes(request: CaseRequest): string {
  if (request.raw !== undefined) return request.raw
  const host = request.host === undefined ? '' : `Host: ${request.host}\r\n`
  const length = request.body === undefined ? '' : `content-length: ${Buffer.byteLength(request.body)}\r\n`
  const fields = request.headers.map(([name, value]) => `${name}: ${value}\r\n`).join('')
  return `${request.method} ${request.path} HTTP/1.1\r\n${host}${fields}${length}\r\n${request.body ?? ''}`
}

export interface CasePorts {
  readonly admin: number
  readonly listeners: readonly number[]
  readonly upstreams: Readonly<Record<string, number>>
}

/** By name, the applications behind them: a and b live, closed refuses connections. */
const CLUSTERS: Readonly<Record<string, readonly string[]>> = {
  a: ['a'],
  b: ['b'],
  closed: ['closed'],
  'closed-and-a': ['closed', 'a'],
  empty: [],
}

/** One bootstrap for all cases: case i listens on ports.listeners[i]. The clusters are those of CLUSTERS. */
export function differentialBootstrap(cases: readonly DifferentialCase[], ports: CasePorts): Record<string, unknown> {
  return {
    node: { id: 'sidecar~127.0.0.1~differential.default~default.svc.cluster.local', cluster: 'differential.default' },
    admin: { address: address(ports.admin) },
    static_resources: {
      listeners: cases.map((each, index) => ({
        name: each.name,
        address: address(ports.listeners[index] ?? 0),
        traffic_direction: 'OUTBOUND',
        // A port that somebody took must be an error and not shared with them.
        enable_reuse_port: false,
        filter_chains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: connectionManager(each) }] }],
      })),
      clusters: Object.entries(CLUSTERS).map(([name, upstreams]) => ({
        name,
        type: 'STATIC',
        connect_timeout: '1s',
        load_assignment: {
          cluster_name: name,
          endpoints: [{ lb_endpoints: upstreams.map((upstream) => ({ endpoint: { address: address(ports.upstreams[upstream] ?? 0) } })) }],
        },
      })),
    },
  }
}

function connectionManager(each: DifferentialCase): Record<string, unknown> {
  return {
    '@type': 'type.googleapis.com/envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager',
    stat_prefix: each.name,
    route_config: { name: each.name, ...each.routeConfig },
    http_filters: [
      ...each.httpFilters,
      {
        name: 'envoy.filters.http.router',
        typed_config: { '@type': 'type.googleapis.com/envoy.extensions.filters.http.router.v3.Router' },
      },
    ],
    ...each.connectionManager,
  }
}

function address(port: number): Record<string, unknown> {
  return { socket_address: { address: '127.0.0.1', port_value: port } }
}
