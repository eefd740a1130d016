// What the rest of the proxy sees of the part that moves bytes. One implementation runs in the main thread; with more than one data
// thread each thread runs one, and the main thread drives them through the same words.
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import type { SecretStore } from './certs/secret-store.ts'
import type { AccessLog, CircuitBreaker, ProxyConfig } from './config/proxy-config.ts'
import type { OverloadState } from './overload/overload-state.ts'
import type { Outcome, PeerLabels } from './telemetry/outcome.ts'
import type { ClusterLoad } from './upstream/circuit-breaker.ts'

export interface DataPlaneOptions {
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly secrets: SecretStore
  readonly recorder: OutcomeRecorder
  /** This workload, as its peers will call it (metadata exchange). */
  readonly self: PeerLabels
  /** x-envoy-peer-metadata-id: the node's id. */
  readonly nodeId?: string
  /** Envoy: layered_runtime overload.global_downstream_max_connections. */
  readonly maxDownstreamConnections: number | undefined
  /** As many connections as the limit of file descriptors leaves room for: each may need one more for its upstream, and the logs, the
   *  admin port and the control plane theirs. */
  readonly connectionsByDescriptors?: number | undefined
  /** Original destination of an accepted socket; undefined where nothing is redirected. */
  readonly originalDestination:
    | ((fd: number, remoteAddress: string) => { readonly host: string; readonly port: number } | undefined)
    | undefined
  /** How near the process is to its limit of memory; undefined: nobody looks. */
  readonly overload?: OverloadState
  /** Asks V8 for the memory of what is no longer used. */
  readonly collectGarbage?: () => void
  /** Other data threads listen on the same ports. */
  readonly reusePort?: boolean
  /** Where a cluster's load is counted when its limits are shared with other data threads; undefined: in this thread alone. */
  readonly clusterLoad?: (cluster: string, limits: CircuitBreaker) => ClusterLoad
}

/** Consumes each outcome exactly once: access log and metrics. Called on the hot path. */
export interface OutcomeRecorder {
  recordHttp(outcome: Outcome, logs: readonly AccessLog[]): void
  recordTcp(outcome: Outcome, logs: readonly AccessLog[]): void
  /** A connection that could not be taken; what could be logged of it was. */
  connectionRefused?(reason: RefusalReason): void
  /** @param usesLast connections go on to the addresses that the name had before. */
  lookupFailed?(name: string, problem: string, usesLast: boolean): void
}

/** No descriptor was left for it; the configured number of connections is open; memory is near its limit. */
export type RefusalReason = 'descriptors' | 'connection-limit' | 'memory'

export interface ListenerProblem {
  readonly listener: string
  readonly message: string
}

export interface DataPlane {
  /** Swaps the configuration. Unchanged listeners keep their sockets; established connections are never cut. Resolves when new sockets listen. */
  apply(config: ProxyConfig): Promise<readonly ListenerProblem[]>
  /** Answers with `connection: close`, stops accepting from outside when callers have gone elsewhere, resolves when the last connection
   *  is gone or after `graceMs`, but not before `leastMs`. What the application calls is carried until then. A second call replaces the
   *  first. */
  drain(graceMs: number, leastMs?: number): Promise<void>
  /** Memory is scarce: closes what is idle on both sides and collects garbage. */
  shrink(): void
  /** Cuts everything. */
  close(): void
  readonly config: ProxyConfig
  /** For the admin port: live state per cluster and listener, JSON-ready. */
  clusterStatus(): readonly ClusterStatus[]
  readonly activeConnections: number
  readonly activeRequests: number
}

export interface ClusterStatus {
  readonly name: string
  readonly activeRequests: number
  readonly activeConnections: number
  readonly totalConnections: number
  readonly fullHandshakes: number
  readonly resumedHandshakes: number
  readonly endpoints: readonly {
    readonly address: string
    readonly activeRequests: number
    readonly totalRequests: number
    readonly connectFailures: number
    readonly health: string
  }[]
}
