// /config_dump in Envoy's shape (envoy.admin.v3.ConfigDump), from the messages as they are held, so that `istioctl proxy-config` and
// people's jq scripts keep working. Invariant: no private key leaves the process.
import { type MessageName, typeUrl } from '../../envoy/any.ts'
import type { HeldConfig, HeldResource } from './admin-state.ts'

type Json = Record<string, unknown>

const LISTENER: MessageName = 'envoy.config.listener.v3.Listener'
const CLUSTER: MessageName = 'envoy.config.cluster.v3.Cluster'
const ROUTES: MessageName = 'envoy.config.route.v3.RouteConfiguration'
const ENDPOINTS: MessageName = 'envoy.config.endpoint.v3.ClusterLoadAssignment'

export interface ConfigDumpOptions {
  /** Envoy: endpoints only with ?include_eds. */
  readonly includesEndpoints: boolean
  /** ?resource=dynamic_listeners: that list alone, flat. */
  readonly resource: string | undefined
  /** ?name_regex, as a substring test made by the caller. */
  readonly matchesName: (name: string) => boolean
}

export function configDump(held: HeldConfig, options: ConfigDumpOptions): Json {
  const parts = [bootstrapPart(held), clustersPart(held, options), listenersPart(held, options), routesPart(held, options)]
  if (options.includesEndpoints) parts.push(endpointsPart(held, options))
  const configs = parts.map(redactKeys)
  if (options.resource === undefined) return { configs }
  const { resource } = options
  return { configs: configs.flatMap((part) => (isJson(part) && Array.isArray(part[resource]) ? part[resource] : [])) }
}

function bootstrapPart(held: HeldConfig): Json {
  return {
    '@type': 'type.googleapis.com/envoy.admin.v3.BootstrapConfigDump',
    bootstrap: held.bootstrap === undefined ? {} : held.toJson('envoy.config.bootstrap.v3.Bootstrap', held.bootstrap),
  }
}

function listenersPart(held: HeldConfig, options: ConfigDumpOptions): Json {
  return {
    '@type': 'type.googleapis.com/envoy.admin.v3.ListenersConfigDump',
    ...lists(
      held,
      held.listeners,
      options,
      LISTENER,
      'static_listeners',
      'dynamic_listeners',
      (resource, message) => ({
        name: resource.name,
        active_state: { version_info: resource.version, listener: message, last_updated: time(resource.updatedAtMs) },
        ...errorState(held, 'listener', resource.name),
      }),
      'listener',
    ),
  }
}

function clustersPart(held: HeldConfig, options: ConfigDumpOptions): Json {
  return {
    '@type': 'type.googleapis.com/envoy.admin.v3.ClustersConfigDump',
    ...lists(held, held.clusters, options, CLUSTER, 'static_clusters', 'dynamic_active_clusters', versioned('cluster', held), 'cluster'),
  }
}

function routesPart(held: HeldConfig, options: ConfigDumpOptions): Json {
  return {
    '@type': 'type.googleapis.com/envoy.admin.v3.RoutesConfigDump',
    ...lists(
      held,
      held.routes,
      options,
      ROUTES,
      'static_route_configs',
      'dynamic_route_configs',
      versioned('route_config', held),
      'route_config',
    ),
  }
}

function endpointsPart(held: HeldConfig, options: ConfigDumpOptions): Json {
  return {
    '@type': 'type.googleapis.com/envoy.admin.v3.EndpointsConfigDump',
    ...lists(
      held,
      held.endpoints,
      options,
      ENDPOINTS,
      'static_endpoint_configs',
      'dynamic_endpoint_configs',
      versioned('endpoint_config', held),
      'endpoint_config',
    ),
  }
}

type Entry = (resource: HeldResource, message: Json) => Json

function versioned(field: string, held: HeldConfig): Entry {
  return (resource, message) => ({
    version_info: resource.version,
    [field]: message,
    last_updated: time(resource.updatedAtMs),
    ...errorState(held, field, resource.name),
  })
}

function errorState(held: HeldConfig, type: string, name: string): Json {
  const rejected = held.rejected.find((each) => each.name === name && type.startsWith(each.type))
  return rejected === undefined ? {} : { error_state: { last_update_attempt: time(rejected.atMs), details: rejected.details } }
}

function lists(
  held: HeldConfig,
  resources: readonly HeldResource[],
  options: ConfigDumpOptions,
  type: MessageName,
  staticField: string,
  dynamicField: string,
  entry: Entry,
  messageField: string,
): Json {
  const wanted = resources.filter(({ name }) => options.matchesName(name))
  const print = (resource: HeldResource): Json => ({ '@type': typeUrl(type), ...held.toJson(type, resource.message) })
  const fixed = wanted.filter(({ isStatic }) => isStatic)
  const dynamic = wanted.filter(({ isStatic }) => !isStatic)
  return {
    ...(fixed.length > 0 && {
      [staticField]: fixed.map((each) => ({ [messageField]: print(each), last_updated: time(each.updatedAtMs) })),
    }),
    ...(dynamic.length > 0 && { [dynamicField]: dynamic.map((each) => entry(each, print(each))) }),
  }
}

function time(atMs: number): string {
  return new Date(atMs).toISOString()
}

function isJson(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

const SECRET_FIELDS: ReadonlySet<string> = new Set(['private_key', 'password', 'session_ticket_keys'])

/** Inline keys become '[redacted]', as Envoy prints them; the names of key files stay, they are no secret. */
export function redactKeys(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(redactKeys)
  if (!isJson(value)) return value
  return Object.fromEntries(
    Object.entries(value).map(([name, inner]) => [name, SECRET_FIELDS.has(name) ? redacted(inner) : redactKeys(inner)]),
  )
}

function redacted(source: unknown): unknown {
  return isJson(source) && Object.keys(source).every((key) => key === 'filename') ? source : { inline_string: '[redacted]' }
}
