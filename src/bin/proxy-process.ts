import { errorMessage } from '../base/errors.ts'
import { formatProblems } from '../base/result.ts'
import type { Bootstrap } from '../envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE, LISTENER_TYPE } from '../envoy/type-urls.ts'
import { type AdminServer, startAdminServer } from '../proxy/admin/admin-server.ts'
import { AdsClient } from '../proxy/ads/ads-client.ts'
import { AdsState } from '../proxy/ads/ads-state.ts'
import { LiveConfig } from '../proxy/ads/live-config.ts'
import { followSecrets } from '../proxy/ads/received-secrets.ts'
import { collectResources, type ReceivedResource, resourceReader } from '../proxy/ads/resource-reader.ts'
import { findXdsTarget, openXdsChannel, type XdsTarget } from '../proxy/ads/xds-channel.ts'
import type { AgentServers } from '../proxy/agent/agent-servers.ts'
import type { CertificateManager } from '../proxy/certs/certificate-manager.ts'
import { LocalSecretStore } from '../proxy/certs/local-secret-store.ts'
import { Assembler } from '../proxy/config/assemble.ts'
import type { DataPlane } from '../proxy/data-plane.ts'
import { OverloadState } from '../proxy/overload/overload-state.ts'
import { adminState } from './proxy-admin.ts'
import { openAgent } from './proxy-agent.ts'
import { createCertificates } from './proxy-certificates.ts'
import { createDataSide, type DataSide } from './proxy-data-side.ts'
import { selfLabels } from './proxy-identity.ts'
import { registerControl } from './proxy-metrics.ts'
import { type ProcessWatches, watchProcess } from './proxy-overload.ts'
import type { ProxyParts } from './proxy-parts.ts'
import { type Readiness, readinessOf } from './proxy-readiness.ts'

/** Longer than any pod's grace period. */
const FOR_EVER_MS = 7 * 24 * 3_600_000
const SAY_FIRST_MS = 5000
const SAY_AGAIN_MS = 30_000

export class ProxyProcess {
  readonly #parts: ProxyParts
  readonly #secrets: LocalSecretStore
  readonly #dataSide: DataSide
  readonly #dataPlane: DataPlane
  readonly #assembler: Assembler
  readonly #state: AdsState<ReceivedResource>
  readonly #live: LiveConfig
  readonly #quit: () => void
  readonly #watches: ProcessWatches
  #admin: AdminServer | undefined
  #agent: AgentServers | undefined
  #usesAds = false
  #draining = false
  #unexpected = 0
  #ads: AdsClient<ReceivedResource> | undefined
  #certificates: CertificateManager | undefined

  /** @param quit somebody asked the admin port for a stop. */
  constructor(parts: ProxyParts, quit: () => void) {
    this.#parts = parts
    this.#quit = quit
    const { clock, random, log, loaded, codec } = parts
    const { node } = loaded.bootstrap
    this.#secrets = new LocalSecretStore(clock, log)
    this.#assembler = new Assembler(loaded.fixed.settings)
    const overload = new OverloadState()
    this.#dataSide = createDataSide({
      threads: parts.options.concurrency,
      version: parts.version,
      self: selfLabels(node),
      nodeId: node?.id ?? '',
      fixed: loaded.fixed,
      assembler: this.#assembler,
      secrets: this.#secrets,
      clock,
      random,
      log,
      overload,
    })
    this.#dataPlane = this.#dataSide.dataPlane
    this.#dataSide.registry.observe('counter', 'lateen_proxy_unexpected_errors_total', 'Mistakes of the proxy that it survived.', () => [
      { value: this.#unexpected },
    ])
    this.#watches = watchProcess({ overload, dataSide: this.#dataSide, maxMemoryBytes: parts.options.maxMemoryBytes, clock, log })
    this.#state = new AdsState(
      { userAgentName: 'lateen', userAgentVersion: parts.version, ...node },
      rootsOf(loaded.bootstrap),
      resourceReader(codec, this.#assembler),
    )
    const collect = collectResources(loaded.fixed.resources)
    this.#live = new LiveConfig({
      assembler: this.#assembler,
      resources: () => collect(this.#state),
      isComplete: () => !this.#usesAds || this.#state.isComplete,
      dataPlane: this.#dataPlane,
      clock,
      log,
    })
  }

  /** A sentence when it cannot start. Resolves when the static configuration runs and everything else is under way. */
  async start(): Promise<string | undefined> {
    const { loaded, log, version } = this.#parts
    const target = findXdsTarget(loaded.bootstrap, loaded.fixed.config)
    if (!target.ok) return formatProblems(target.problems)
    const admin = loaded.fixed.admin
    log.info('lateen proxy starts', {
      version,
      node: loaded.bootstrap.node?.id ?? '',
      admin: admin === undefined ? 'none' : `${admin.host}:${admin.port}`,
      controlPlane: target.value === undefined ? 'none' : `${target.value.host}:${target.value.port}`,
    })
    const problem = (await this.#startAdmin()) ?? (await this.#startAgent()) ?? this.#startCertificates(target.value)
    if (problem !== undefined) return problem
    this.#usesAds = target.value !== undefined
    if (target.value !== undefined) this.#startAds(target.value)
    registerControl(this.#dataSide.registry, {
      ads: this.#ads,
      certificates: this.#certificates,
      live: this.#live,
      clock: this.#parts.clock,
    })
    this.#sayWhenStuck()
    const stopWatching = this.#live.status.watch(({ ready }) => {
      if (!ready) return
      stopWatching()
      this.#sayReady()
    })
    await this.#watches.afterLoading()
    this.#live.refresh()
    return undefined
  }

  /** Not ready any more, lets requests finish as the options say, then closes. In a pod the application may be stopping at the same time
   *  and still has calls to make: configuration and certificates stay live, and the drain time is waited in full, unless the kubelet has
   *  stopped the application before (native sidecar). */
  async stop(): Promise<void> {
    const { options, log } = this.#parts
    const { drainMs, agent, exitOnZeroConnections } = options
    this.#draining = true
    await this.#dataSide.collect()
    const graceMs = exitOnZeroConnections ? FOR_EVER_MS : drainMs
    const leastMs = agent !== undefined && agent.nativeSidecar !== true ? drainMs : 0
    log.info('draining', { graceMs, leastMs, activeRequests: this.#dataPlane.activeRequests })
    if (agent === undefined) {
      this.#ads?.stop()
      this.#live.stop()
    }
    await this.#dataPlane.drain(graceMs, leastMs)
    this.close()
    await this.#dataSide.finish()
    this.#parts.log.info('stopped')
  }

  /** Something threw where nobody expected it. */
  survive(error: unknown): void {
    this.#unexpected++
    const stack = error instanceof Error ? (error.stack ?? error.message) : errorMessage(error)
    this.#parts.log.error('unexpected failure: this is a mistake in the proxy; it goes on, please report it', { stack })
  }

  close(): void {
    this.#watches.stop()
    this.#ads?.stop()
    this.#live.stop()
    this.#certificates?.stop()
    this.#dataPlane.close()
    void this.#admin?.close()
    void this.#agent?.close()
  }

  /** Callers are sent elsewhere, nothing is refused: a stop follows some time later. */
  #drain(): Promise<void> {
    if (!this.#draining) this.#parts.log.info('draining on request: not ready any more, everything is still served')
    this.#draining = true
    return this.#dataPlane.drain(FOR_EVER_MS, FOR_EVER_MS)
  }

  #readiness(): Readiness {
    return readinessOf({
      draining: this.#draining,
      live: this.#live.status.value,
      certificate: this.#certificates?.status.value,
      ads: this.#ads?.status.value,
    })
  }

  async #startAgent(): Promise<string | undefined> {
    const { options, loaded, clock, log } = this.#parts
    if (options.agent === undefined) return undefined
    const opened = await openAgent(options.agent, loaded.bootstrap.node, this.#dataSide, {
      readiness: () => this.#readiness(),
      drain: () => void this.#drain(),
      quit: this.#quit,
      clock,
      log,
    })
    if (typeof opened === 'string') return opened
    this.#agent = opened
    return undefined
  }

  /** A pod that does not start is looked at in its log first. */
  #sayWhenStuck(): void {
    const { clock, log } = this.#parts
    const say = (): void => {
      const { ready, reason } = this.#readiness()
      if (ready || this.#draining) return
      log.warn('not ready yet', { reason })
      clock.after(SAY_AGAIN_MS, say, { background: true })
    }
    clock.after(SAY_FIRST_MS, say, { background: true })
  }

  async #startAdmin(): Promise<string | undefined> {
    const { loaded, clock, log, version, options, codec } = this.#parts
    const address = loaded.fixed.admin
    if (address === undefined) return undefined
    const state = adminState({
      version,
      options,
      bootstrap: loaded.bootstrap,
      fixed: loaded.fixed,
      codec,
      clock,
      log,
      dataSide: this.#dataSide,
      secrets: this.#secrets,
      ads: this.#state,
      live: this.#live,
      readiness: () => this.#readiness(),
      isDraining: () => this.#draining,
      drain: () => {
        this.#draining = true
        return this.#dataPlane.drain(options.drainMs)
      },
      quit: this.#quit,
    })
    try {
      this.#admin = await startAdminServer(state, address, clock, log)
      return undefined
    } catch (error) {
      return `the admin port ${address.host}:${address.port} cannot be opened: ${errorMessage(error)}; choose another in the bootstrap's admin.address`
    }
  }

  #startCertificates(target: XdsTarget | undefined): string | undefined {
    const manager = createCertificates(this.#parts, this.#secrets, target)
    if (typeof manager === 'string') return manager
    this.#certificates = manager
    void manager?.start()
    return undefined
  }

  #startAds(target: XdsTarget): void {
    const { clock, random, log, codec } = this.#parts
    const channel = openXdsChannel(target, this.#secrets, clock)
    const takeSecrets = followSecrets(this.#state, this.#secrets)
    const onChange = (): void => {
      // Before the configuration that uses them.
      takeSecrets()
      this.#live.refresh()
    }
    const ads = new AdsClient({ channel, state: this.#state, codec, clock, random, log, onChange })
    this.#ads = ads
    const source = target.cluster.tls?.certificate
    const pair = source === undefined ? undefined : this.#secrets.keyPair(source)
    // Without a certificate the first attempt would only fail and wait: start when it is there.
    if (pair === undefined || pair.value !== undefined) return ads.start()
    const stop = pair.watch(() => {
      stop()
      ads.start()
    })
  }

  #sayReady(): void {
    const { listeners, clusters } = this.#dataPlane.config
    this.#parts.log.info('ready', {
      listeners: listeners.size,
      clusters: clusters.size,
      sinceStartMs: Math.round(this.#parts.clock.monotonicMs()),
    })
  }
}

/** Envoy: lds_config and cds_config over ADS mean everything that the control plane has for this node. */
function rootsOf(bootstrap: Bootstrap): { readonly typeUrl: string; readonly wildcard: boolean; readonly names: readonly string[] }[] {
  const dynamic = bootstrap.dynamicResources
  return [
    ...(dynamic?.cdsConfig?.ads === undefined ? [] : [{ typeUrl: CLUSTER_TYPE, wildcard: true, names: [] }]),
    ...(dynamic?.ldsConfig?.ads === undefined ? [] : [{ typeUrl: LISTENER_TYPE, wildcard: true, names: [] }]),
  ]
}
