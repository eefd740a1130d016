// The part of a running proxy that moves bytes and counts them, with one thread or with several; proxy-process.ts sees no difference.
// Invariant: with one thread nothing of the threads' machinery runs.
import { existsSync, readFileSync } from 'node:fs'
import path from 'node:path'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Random } from '../base/random.ts'
import { ownPrincipal } from '../proxy/certs/own-principal.ts'
import type { SecretStore } from '../proxy/certs/secret-store.ts'
import type { Assembler } from '../proxy/config/assemble.ts'
import type { StaticConfiguration } from '../proxy/config/decode-bootstrap.ts'
import type { DataPlane } from '../proxy/data-plane.ts'
import { LocalDataPlane } from '../proxy/local-data-plane.ts'
import { collectGarbage } from '../proxy/overload/collect-garbage.ts'
import { connectionsByDescriptors } from '../proxy/overload/descriptor-limit.ts'
import type { OverloadState } from '../proxy/overload/overload-state.ts'
import { registerDataPlane } from '../proxy/telemetry/data-plane-metrics.ts'
import { IstioMetrics } from '../proxy/telemetry/istio-metrics.ts'
import { type MetricFamily, MetricRegistry } from '../proxy/telemetry/metrics.ts'
import type { PeerLabels } from '../proxy/telemetry/outcome.ts'
import { Recorder } from '../proxy/telemetry/recorder.ts'
import { ThreadedDataPlane } from '../proxy/threads/threaded-data-plane.ts'
import { lazyOriginalDestination } from './lazy-original-destination.ts'

export interface DataSide {
  readonly dataPlane: DataPlane
  /** For what else the process counts. */
  readonly registry: MetricRegistry
  families(): Iterable<MetricFamily>
  /** Brings `families` and the data plane's status up to date. */
  collect(): Promise<void>
  /** After the data plane was closed: the last log lines are written. */
  finish(): Promise<void>
}

export interface DataSideParts {
  readonly threads: number
  readonly version: string
  readonly self: PeerLabels
  readonly nodeId: string
  readonly fixed: StaticConfiguration
  readonly assembler: Assembler
  readonly secrets: SecretStore
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly overload: OverloadState
}

export function createDataSide(parts: DataSideParts): DataSide {
  return parts.threads > 1 ? threaded(parts) : inThisThread(parts)
}

function inThisThread(parts: DataSideParts): DataSide {
  const { clock, random, log, secrets, self, nodeId, fixed, overload } = parts
  const registry = new MetricRegistry()
  const metrics = new IstioMetrics({ labels: self, principal: () => ownPrincipal(secrets) })
  metrics.register(registry, { component: 'proxy', tag: parts.version })
  const recorder = new Recorder(metrics, clock, log)
  recorder.register(registry)
  const { maxDownstreamConnections } = fixed
  const originalDestination = lazyOriginalDestination(log)
  const dataPlane = new LocalDataPlane({
    clock,
    random,
    log,
    secrets,
    recorder,
    self,
    nodeId,
    maxDownstreamConnections,
    originalDestination,
    overload,
    collectGarbage,
    connectionsByDescriptors: connectionsByDescriptors(readLimits()),
  })
  registerDataPlane(registry, dataPlane)
  return { dataPlane, registry, families: () => registry.families, collect: () => Promise.resolve(), finish: () => recorder.close() }
}

function threaded(parts: DataSideParts): DataSide {
  const { threads, version, self, nodeId, fixed, assembler, secrets, clock, log, overload } = parts
  const { allowUnsupported, secrets: staticSecrets } = fixed.settings
  const dataPlane = new ThreadedDataPlane({
    threads,
    program: threadProgram(),
    data: {
      version,
      self,
      nodeId,
      maxDownstreamConnections: fixed.maxDownstreamConnections,
      allowUnsupported,
      secrets: staticSecrets,
      overload: overload.cell,
      connectionsByDescriptors: connectionsByDescriptors(readLimits()),
    },
    originOf: (part) => assembler.originOf(part),
    secrets,
    clock,
    log,
  })
  const registry = new MetricRegistry()
  registry.observe('gauge', 'istio_build', 'Version of this component.', () => [{ labels: { component: 'proxy', tag: version }, value: 1 }])
  registerDataPlane(registry, dataPlane)
  registry.observe('gauge', 'lateen_proxy_thread_connections', 'Open connections from clients, per data thread.', () =>
    dataPlane.connectionsByThread().map((value, index) => ({ labels: { thread: String(index) }, value })),
  )
  registry.observe('counter', 'lateen_proxy_threads_replaced_total', 'Data threads that died and were replaced.', () => [
    { value: dataPlane.replaced },
  ])
  return {
    dataPlane,
    registry,
    *families() {
      yield* registry.families
      yield* dataPlane.families()
    },
    collect: () => dataPlane.collect(),
    finish: () => dataPlane.finish(),
  }
}

/** Linux states it there; elsewhere only the configured limit counts. */
function readLimits(): string {
  return existsSync(LIMITS) ? readFileSync(LIMITS, 'utf8') : ''
}

const LIMITS = '/proc/self/limits'

/** Beside the bundle in dist, or the source. */
function threadProgram(): string {
  const built = path.join(import.meta.dirname, 'proxy-thread.js')
  return existsSync(built) ? built : path.join(import.meta.dirname, 'proxy-thread.ts')
}
