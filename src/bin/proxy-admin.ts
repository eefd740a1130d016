// What the admin port is told: each function reads the running parts at the moment of the question. Made by proxy-process.ts.
import { tmpdir } from 'node:os'
import type { Clock } from '../base/clock.ts'
import type { Codec } from '../envoy/codec/codec.ts'
import type { Bootstrap } from '../envoy/generated/messages.gen.ts'
import { tableOfVirtualHost } from '../envoy/names.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE } from '../envoy/type-urls.ts'
import type { AdminState, HeldResource, ServerInfo } from '../proxy/admin/admin-state.ts'
import { createDiagnostics } from '../proxy/admin/diagnostics.ts'
import type { AdsState } from '../proxy/ads/ads-state.ts'
import type { LiveConfig } from '../proxy/ads/live-config.ts'
import type { ReceivedResource } from '../proxy/ads/resource-reader.ts'
import type { LocalSecretStore } from '../proxy/certs/local-secret-store.ts'
import type { ReceivedByName } from '../proxy/config/assemble.ts'
import type { StaticConfiguration } from '../proxy/config/decode-bootstrap.ts'
import type { DataSide } from './proxy-data-side.ts'
import type { ProxyOptions } from './proxy-options.ts'
import type { SwitchableLog } from './switchable-log.ts'

export interface AdminParts {
  readonly version: string
  readonly options: ProxyOptions
  readonly bootstrap: Bootstrap
  readonly fixed: StaticConfiguration
  readonly codec: Codec
  readonly clock: Clock
  readonly log: SwitchableLog
  readonly dataSide: DataSide
  readonly secrets: LocalSecretStore
  readonly ads: AdsState<ReceivedResource>
  readonly live: LiveConfig
  readonly readiness: AdminState['readiness']
  readonly isDraining: () => boolean
  readonly drain: () => Promise<void>
  readonly quit: () => void
}

const KINDS: Readonly<Record<string, string>> = {
  [LISTENER_TYPE]: 'listener',
  [CLUSTER_TYPE]: 'cluster',
  [ROUTE_TYPE]: 'route',
  [ENDPOINT_TYPE]: 'endpoint',
  [VIRTUAL_HOST_TYPE]: 'virtual host',
}

export function adminState(parts: AdminParts): AdminState {
  const { dataSide, secrets, log, clock, codec, ads, fixed, options } = parts
  const { dataPlane } = dataSide
  const startedMs = clock.monotonicMs()
  const startedAtMs = clock.nowMs()
  const resources = (own: ReceivedByName<object>, typeUrl: string): readonly HeldResource[] => [
    ...[...own].map(([name, { message }]) => ({ name, isStatic: true, version: '', updatedAtMs: startedAtMs, message })),
    ...[...ads.held(typeUrl)].map(([name, { version, value, updatedAtMs }]) => ({
      name,
      isStatic: false,
      version,
      updatedAtMs,
      message: value.message,
    })),
  ]
  return {
    readiness: parts.readiness,
    collect: () => dataSide.collect(),
    families: () => dataSide.families(),
    config: () => dataPlane.config,
    clusterStatus: () => dataPlane.clusterStatus(),
    held: () => ({
      toJson: (name, message) => codec.toJson(name, message),
      bootstrap: parts.bootstrap,
      listeners: resources(fixed.resources.listeners, LISTENER_TYPE),
      clusters: resources(fixed.resources.clusters, CLUSTER_TYPE),
      routes: resources(fixed.resources.routes, ROUTE_TYPE).map((table) => withVirtualHosts(table, ads)),
      endpoints: resources(fixed.resources.endpoints, ENDPOINT_TYPE),
      rejected: [...ads.rejections].map(({ typeUrl, name, details, atMs }) => ({ type: KINDS[typeUrl] ?? typeUrl, name, details, atMs })),
    }),
    certificates: () => secrets.certificates(),
    serverInfo: () => ({
      version: parts.version,
      state: serverState(parts),
      uptimeMs: clock.monotonicMs() - startedMs,
      node: parts.bootstrap.node === undefined ? undefined : codec.toJson('envoy.config.core.v3.Node', parts.bootstrap.node),
      commandLine: { config_path: parts.options.configPath, concurrency: parts.options.concurrency, mode: 'Serve' },
    }),
    logLevel: () => log.level,
    setLogLevel: (level) => {
      log.level = level
    },
    drainListeners: parts.drain,
    quit: parts.quit,
    memoryUsage: () => process.memoryUsage(),
    diagnostics: createDiagnostics(options.ca?.stateFolder ?? tmpdir(), clock),
  }
}

function serverState({ isDraining, live }: AdminParts): ServerInfo['state'] {
  if (isDraining()) return 'DRAINING'
  return live.status.value.ready ? 'LIVE' : live.status.value.applied > 0 ? 'INITIALIZING' : 'PRE_INITIALIZING'
}

/** With those that came as resources of their own, as Envoy shows them. */
function withVirtualHosts(table: HeldResource, ads: AdsState<ReceivedResource>): HeldResource {
  const hosts = [...ads.held(VIRTUAL_HOST_TYPE)].flatMap(([name, { value }]) =>
    value.kind === 'virtual-host' && tableOfVirtualHost(name) === table.name ? value.message : [],
  )
  return hosts.length === 0 || table.isStatic ? table : { ...table, message: { ...table.message, virtualHosts: hosts } }
}
