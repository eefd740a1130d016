// The part of the proxy that moves bytes, in this thread. Given a configuration it listens, accepts, forwards; given another it goes on
// with that one without cutting anything. Made by bin/proxy.ts (or by a data thread) and driven through the words of data-plane.ts.
// Invariant: a listener whose address is unchanged keeps its socket, a cluster that keeps its name keeps its pools.
import type { Socket } from 'node:net'
import { TimerWheel } from '../base/timer-wheel.ts'
import type { Cluster, Listener, ProxyConfig } from './config/proxy-config.ts'
import type { ClusterStatus, DataPlane, DataPlaneOptions, ListenerProblem } from './data-plane.ts'
import { DateLine } from './http/date-line.ts'
import { PeerMetadata } from './http/peer-metadata.ts'
import { RequestIds } from './http/request-ids.ts'
import type { Activity, HttpServices } from './http/services.ts'
import { OverloadState } from './overload/overload-state.ts'
import { Acceptor } from './sockets/acceptor.ts'
import { BoundListener } from './sockets/bound-listener.ts'
import { ListenerRuntime } from './sockets/listener-runtime.ts'
import { compileHeaderFormat } from './telemetry/access-log-format.ts'
import type { Outcome } from './telemetry/outcome.ts'
import { ClusterRuntime, type ClusterServices } from './upstream/cluster-runtime.ts'
import { NameLookup } from './upstream/name-lookup.ts'

const WHEEL_TICK_MS = 10
/** During a drain, listeners stay open until nobody has connected for this long: callers still have to hear that this endpoint leaves.
 *  A kept connection is closed after as long without a request: closing it earlier could meet a request on its way. */
const QUIET_BEFORE_CLOSE_MS = 1000
const DRAIN_CHECK_MS = 50
/** Younger ones may have a request on their way. */
const SHRUNK_AFTER_IDLE_MS = 1000

export class LocalDataPlane implements DataPlane {
  config: ProxyConfig = { listeners: new Map(), clusters: new Map() }

  readonly #options: DataPlaneOptions
  readonly #activity: Activity = { connections: 0, requests: 0, draining: false }
  readonly #clusters = new Map<string, ClusterRuntime>()
  readonly #listeners = new Map<string, ListenerRuntime>()
  readonly #services: HttpServices
  readonly #acceptor: Acceptor
  readonly #names: NameLookup
  #clusterServices: ClusterServices | undefined
  #closed = false
  #drains = 0

  constructor(options: DataPlaneOptions) {
    this.#options = options
    const { clock, random, recorder } = options
    this.#services = {
      clock,
      random,
      recorder,
      wheel: new TimerWheel(clock, WHEEL_TICK_MS),
      requestIds: new RequestIds(),
      dateLine: new DateLine(clock),
      metadata: new PeerMetadata(options.self, options.nodeId ?? ''),
      cluster: (name) => this.#clusters.get(name),
      activity: this.#activity,
      overload: options.overload ?? new OverloadState(),
      expand: expandHeader,
    }
    this.#names = new NameLookup(clock, (...failure) => recorder.lookupFailed?.(...failure))
    this.#acceptor = new Acceptor({
      services: this.#services,
      secrets: options.secrets,
      originalDestination: options.originalDestination,
      maxConnections: options.maxDownstreamConnections,
      connectionsByDescriptors: options.connectionsByDescriptors,
      listenerFor: (host, port) => this.#listenerFor(host, port),
    })
  }

  get activeConnections(): number {
    return this.#activity.connections
  }

  get activeRequests(): number {
    return this.#activity.requests
  }

  async apply(config: ProxyConfig): Promise<readonly ListenerProblem[]> {
    this.config = config
    this.#applyClusters(config.clusters)
    const applied = this.#applyListeners(config.listeners)
    // After the listeners have theirs and before anything else is read: no request is served by what is no longer in force.
    for (const connection of this.#acceptor.open) connection.reconsider()
    return await applied
  }

  /** The port that a listener got; for tests that listen on port 0. */
  portOf(listener: string): number | undefined {
    return this.#listeners.get(listener)?.bound?.port
  }

  clusterStatus(): readonly ClusterStatus[] {
    return [...this.#clusters.values()].map((cluster) => cluster.status())
  }

  drain(graceMs: number, leastMs = 0): Promise<void> {
    const { clock } = this.#options
    const startedMs = clock.monotonicMs()
    const quietMs = Math.min(QUIET_BEFORE_CLOSE_MS, graceMs / 2)
    const turn = ++this.#drains
    this.#activity.draining = true
    return new Promise((resolve) => {
      let accepting = true
      const check = (): void => {
        const nowMs = clock.monotonicMs()
        const over = nowMs - startedMs >= graceMs
        const mayEnd = nowMs - startedMs >= leastMs
        if (accepting && (over || (mayEnd && nowMs - Math.max(startedMs, this.#acceptor.lastAcceptedMs) >= quietMs))) {
          accepting = false
          this.#stopAccepting(over)
        }
        if (nowMs - startedMs >= quietMs) for (const connection of this.#acceptor.open) connection.closeIfIdle(nowMs - quietMs)
        // Counts every socket, also one in the middle of its handshake: its request may be on the way.
        const empty = !accepting && this.#activity.connections === 0
        if (over || empty || this.#closed || turn !== this.#drains) return resolve()
        clock.after(Math.min(DRAIN_CHECK_MS, graceMs), check)
      }
      check()
    })
  }

  /** @param all otherwise only what comes from outside: an application that is stopping still has calls to make. */
  #stopAccepting(all: boolean): void {
    for (const { config, bound } of this.#listeners.values()) if (all || config.direction !== 'outbound') bound?.close()
  }

  close(): void {
    this.#closed = true
    for (const listener of this.#listeners.values()) listener.bound?.close()
    this.#acceptor.close()
    for (const cluster of this.#clusters.values()) cluster.close()
  }

  shrink(): void {
    const beforeMs = this.#options.clock.monotonicMs() - SHRUNK_AFTER_IDLE_MS
    for (const connection of [...this.#acceptor.open]) connection.closeIfIdle(beforeMs)
    for (const cluster of this.#clusters.values()) cluster.closeIdle(beforeMs)
    this.#options.collectGarbage?.()
  }

  #applyClusters(clusters: ReadonlyMap<string, Cluster>): void {
    for (const [name, runtime] of this.#clusters) {
      if (clusters.has(name)) continue
      runtime.retire()
      this.#clusters.delete(name)
    }
    for (const [name, config] of clusters) {
      const runtime = this.#clusters.get(name)
      if (runtime === undefined) this.#clusters.set(name, this.#createCluster(config))
      else if (runtime.config !== config) runtime.update(config)
    }
  }

  #createCluster(config: Cluster): ClusterRuntime {
    this.#clusterServices ??= { ...this.#options, wheel: this.#services.wheel, lookup: this.#names.lookup }
    return new ClusterRuntime(config, this.#clusterServices)
  }

  async #applyListeners(listeners: ReadonlyMap<string, Listener>): Promise<readonly ListenerProblem[]> {
    for (const [name, runtime] of this.#listeners) {
      const next = listeners.get(name)
      if (next !== undefined && sameSocket(runtime.config, next)) continue
      // Stops accepting; its connections finish what they are at.
      runtime.remove()
      runtime.bound?.close()
      this.#listeners.delete(name)
    }
    const problems = await Promise.all([...listeners.values()].map((listener) => this.#applyListener(listener)))
    return problems.filter((problem) => problem !== undefined)
  }

  async #applyListener(config: Listener): Promise<ListenerProblem | undefined> {
    const known = this.#listeners.get(config.name)
    if (known !== undefined) known.update(config)
    const runtime = known ?? new ListenerRuntime(config)
    this.#listeners.set(config.name, runtime)
    if (!config.bindToPort || runtime.bound !== undefined || this.#closed) return undefined
    const accept = (socket: Socket): void => this.#acceptor.accept(socket, runtime)
    const opened = await BoundListener.open(config.address, accept, {
      reusePort: this.#options.reusePort === true,
      bothFamilies: isRedirectedTo(config),
      onAcceptError: () => this.#options.recorder.connectionRefused?.('descriptors'),
    })
    if (typeof opened === 'string') return { listener: config.name, message: `listener ${config.name}: ${opened}` }
    runtime.bound = opened
    if (this.#closed) opened.close()
    return undefined
  }

  /** Envoy: exact address, then any address with this port. */
  #listenerFor(host: string, port: number): ListenerRuntime | undefined {
    let wildcard: ListenerRuntime | undefined
    for (const runtime of this.#listeners.values()) {
      const { address, useOriginalDestination } = runtime.config
      if (address.port !== port || useOriginalDestination) continue
      if (address.host === host) return runtime
      if (address.host === '0.0.0.0' || address.host === '::') wildcard = runtime
    }
    return wildcard
  }
}

/** The kernel redirects connections of both families to the port, whichever the control plane had in mind. */
function isRedirectedTo({ useOriginalDestination, restoresOriginalDestination, address }: Listener): boolean {
  return (useOriginalDestination || restoresOriginalDestination === true) && address.host === '0.0.0.0'
}

function sameSocket(a: Listener, b: Listener): boolean {
  return a.address.host === b.address.host && a.address.port === b.address.port && a.bindToPort === b.bindToPort
}

const HEADER_FORMATS = new Map<string, (outcome: Outcome) => string>()

/** Templates come from the configuration, so there are few; each is compiled once. */
function expandHeader(template: string, outcome: Outcome): string {
  let format = HEADER_FORMATS.get(template)
  if (format === undefined) {
    format = compileHeaderFormat(template)
    HEADER_FORMATS.set(template, format)
  }
  return format(outcome)
}
