// What the admin port may read and do: functions that give values, implemented by the composition root. The admin port keeps nothing.
import type { LogLevel } from '../../base/log.ts'
import type { MessageName } from '../../envoy/any.ts'
import type { ProxyConfig } from '../config/proxy-config.ts'
import type { ClusterStatus } from '../data-plane.ts'
import type { MetricFamily } from '../telemetry/metrics.ts'
import type { Diagnostics } from './diagnostics.ts'

export interface AdminState {
  /** `reason` is one line: what is waited for, or 'LIVE'. */
  readiness(): { readonly ready: boolean; readonly reason: string }
  /** Asks the data threads for what they have counted; without it, or when one does not answer, the numbers are those of before. */
  collect?(): Promise<void>
  families(): Iterable<MetricFamily>
  config(): ProxyConfig
  clusterStatus(): readonly ClusterStatus[]
  held(): HeldConfig
  /** Private keys never come here. */
  certificates(): readonly CertificateEntry[]
  serverInfo(): ServerInfo
  logLevel(): LogLevel
  setLogLevel(level: LogLevel): void
  /** Stops accepting; resolves when that is so. */
  drainListeners(): Promise<void>
  quit(): void
  memoryUsage(): NodeJS.MemoryUsage
  readonly diagnostics: Diagnostics
}

export interface HeldConfig {
  /** ProxyEncoder of the composition root: JSON as Envoy prints it, with snake_case names. */
  toJson(name: MessageName, message: object): Record<string, unknown>
  readonly bootstrap: object | undefined
  readonly listeners: readonly HeldResource[]
  readonly clusters: readonly HeldResource[]
  readonly routes: readonly HeldResource[]
  readonly endpoints: readonly HeldResource[]
  /** Refused updates, newest per resource. */
  readonly rejected: readonly { readonly type: string; readonly name: string; readonly details: string; readonly atMs: number }[]
}

export interface HeldResource {
  readonly name: string
  /** From a bootstrap, not from the control plane. */
  readonly isStatic: boolean
  readonly version: string
  readonly updatedAtMs: number
  readonly message: object
}

export interface CertificateEntry {
  /** 'default', 'ROOTCA' or a path. */
  readonly name: string
  /** Leaf first; undefined where only roots are held. */
  readonly chainPem: string | undefined
  readonly rootsPem: string | undefined
}

export interface ServerInfo {
  readonly version: string
  readonly state: 'LIVE' | 'DRAINING' | 'PRE_INITIALIZING' | 'INITIALIZING'
  readonly uptimeMs: number
  readonly node: Readonly<Record<string, unknown>> | undefined
  readonly commandLine: Readonly<Record<string, unknown>>
}
