// A cluster at work: its endpoints with their pools, the balancer's plan, the load. Survives every update of the configuration:
// endpoints are recognised by their address, so that a change of the endpoint list cuts nothing.
// Most clusters of a mesh are never called by one workload: endpoints get pools and a plan with the first request to their cluster.
// Invariant: removal of an endpoint closes its idle connections only; what is in flight finishes.
import { isIPv6 } from 'node:net'
import type { Random } from '../../base/random.ts'
import type { SecretStore } from '../certs/secret-store.ts'
import type { Cluster, Endpoint, UpstreamTls } from '../config/proxy-config.ts'
import type { ClusterStatus, DataPlaneOptions } from '../data-plane.ts'
import { type BalancerState, createBalancerState, type HostPlan, NO_HOST, type PickInputs, pickHost, planHosts } from '../decide/balance.ts'
import { ClusterLoad } from './circuit-breaker.ts'
import { type ConnectServices, type ConnectTarget, createTicketBox } from './connect.ts'
import { ConnectionPool, type PoolLimits } from './connection-pool.ts'
import { sessionOptions } from './http2-session.ts'
import { offeredAlpn, type PoolProtocol, TlsTransport, tlsFor, transportKey } from './transport.ts'

export interface ClusterServices extends ConnectServices {
  readonly random: Random
  readonly secrets: SecretStore
  readonly clusterLoad?: DataPlaneOptions['clusterLoad']
}

export class EndpointRuntime {
  config: Endpoint
  activeRequests = 0
  totalRequests = 0
  /** Pool of the transport in force, and those of former transports that still have connections. */
  readonly pools: Map<string, ConnectionPool>
  /** For requests that came as HTTP/1.1, and for octets. */
  pool: ConnectionPool
  /** For requests that came as HTTP/2; the same one, unless the cluster goes by what its clients speak. */
  http2Pool: ConnectionPool

  constructor(config: Endpoint, pools: Map<string, ConnectionPool>, pool: ConnectionPool, http2Pool: ConnectionPool) {
    this.config = config
    this.pools = pools
    this.pool = pool
    this.http2Pool = http2Pool
  }
}

export class ClusterRuntime {
  config: Cluster
  readonly load: ClusterLoad
  readonly #services: ClusterServices
  readonly #endpoints = new Map<string, EndpointRuntime>()
  #originalsLimit = MAX_IDLE_ORIGINALS
  readonly #transports = new Map<string, TlsTransport>()
  readonly #poolLimits: PoolLimits
  #list: EndpointRuntime[] = []
  /** Something was asked of it, or it is over: from then on each update is followed at once. */
  #isInUse = false
  #plan: HostPlan = NO_PLAN
  #state: BalancerState
  readonly #inputs: PickInputs & { choiceCount: number }

  constructor(config: Cluster, services: ClusterServices) {
    this.config = config
    this.#services = services
    this.load = services.clusterLoad?.(config.name, config.circuitBreaker) ?? new ClusterLoad(config.circuitBreaker)
    this.#poolLimits = limitsOf(config)
    this.#state = createBalancerState()
    this.#inputs = {
      random: services.random,
      active: (index) => this.#list[index]?.activeRequests ?? 0,
      choiceCount: config.choiceCount,
    }
    // A file that is not there is said at the start and not with the first request.
    if (readsFiles(config)) this.#use()
    this.update(config)
  }

  update(config: Cluster): void {
    this.config = config
    this.load.limits = config.circuitBreaker
    this.#inputs.choiceCount = Math.max(1, config.choiceCount)
    Object.assign(this.#poolLimits, limitsOf(config))
    if (this.#isInUse) this.#follow()
  }

  #use(): void {
    if (this.#isInUse) return
    this.#isInUse = true
    this.#follow()
  }

  #follow(): void {
    const { config } = this
    if (config.discovery === 'original-destination') {
      for (const [key, endpoint] of this.#endpoints) this.#ensure(key, endpoint.config)
      return
    }
    const kept = new Set<string>()
    this.#list = config.endpoints.map((endpoint) => {
      const key = addressKey(endpoint)
      kept.add(key)
      return this.#ensure(key, endpoint)
    })
    for (const [key, endpoint] of this.#endpoints) if (!kept.has(key)) this.#retire(key, endpoint)
    this.#plan = planHosts(config.endpoints, config.panicThresholdPercent)
    this.#state = createBalancerState()
  }

  /** The endpoint for the next attempt, or undefined: no healthy upstream. */
  pick(excluded: ReadonlySet<EndpointRuntime> | undefined, attempts: number): EndpointRuntime | undefined {
    this.#use()
    const kind = this.config.balancer
    const avoid =
      excluded === undefined
        ? undefined
        : (index: number): boolean => {
            const endpoint = this.#list[index]
            return endpoint !== undefined && excluded.has(endpoint)
          }
    const index = pickHost(this.#plan, kind === 'passthrough' ? 'random' : kind, this.#state, this.#inputs, avoid, attempts)
    return index === NO_HOST ? undefined : this.#list[index]
  }

  /** Clusters without endpoints of their own go where the client meant to go (Envoy: ORIGINAL_DST). */
  pickOriginal(host: string, port: number): EndpointRuntime {
    this.#use()
    const endpoint: Endpoint = {
      address: { host, port },
      weight: 1,
      priority: 0,
      locality: '',
      health: 'healthy',
      transportLabels: {},
      workload: undefined,
    }
    const known = this.#endpoints.get(addressKey(endpoint))
    if (known !== undefined) return known
    if (this.#endpoints.size >= this.#originalsLimit) this.#forgetIdleOriginals()
    return this.#ensure(addressKey(endpoint), endpoint)
  }

  /** A client that calls half of the internet must not fill the memory with places where it was once (Envoy: cleanup_interval). */
  #forgetIdleOriginals(): void {
    for (const [key, endpoint] of this.#endpoints) if (endpoint.activeRequests === 0) this.#retire(key, endpoint)
    this.#originalsLimit = Math.max(MAX_IDLE_ORIGINALS, this.#endpoints.size * 2)
  }

  status(): ClusterStatus {
    const pools = [...this.#endpoints.values()].flatMap((endpoint) => [...endpoint.pools.values()])
    const sum = (value: (pool: ConnectionPool) => number): number => pools.reduce((total, pool) => total + value(pool), 0)
    return {
      name: this.config.name,
      activeRequests: this.load.requests,
      activeConnections: this.load.connections,
      totalConnections: sum((pool) => pool.totalConnections),
      fullHandshakes: sum((pool) => pool.target.tickets.fullHandshakes),
      resumedHandshakes: sum((pool) => pool.target.tickets.resumedHandshakes),
      endpoints: this.#isInUse ? [...this.#endpoints].map(statusOf) : this.config.endpoints.map(unusedStatus),
    }
  }

  /** The cluster is gone: as when every endpoint is removed. */
  retire(): void {
    for (const [key, endpoint] of this.#endpoints) this.#retire(key, endpoint)
    this.#isInUse = true
    this.#list = []
    this.#plan = NO_PLAN
  }

  /** Memory is scarce. @param beforeMs idle since then or longer. */
  closeIdle(beforeMs: number): void {
    for (const endpoint of this.#endpoints.values()) for (const pool of endpoint.pools.values()) pool.closeIdle(beforeMs)
  }

  close(): void {
    for (const endpoint of this.#endpoints.values()) for (const pool of endpoint.pools.values()) pool.close()
    for (const transport of this.#transports.values()) transport.close()
  }

  #ensure(key: string, endpoint: Endpoint): EndpointRuntime {
    const known = this.#endpoints.get(key)
    const { upstreamProtocol } = this.config
    const pools = known?.pools ?? new Map()
    const pool = this.#ensurePool(pools, endpoint, upstreamProtocol === 'downstream' ? 'http1' : upstreamProtocol)
    const http2Pool = upstreamProtocol === 'downstream' ? this.#ensurePool(pools, endpoint, 'http2') : pool
    if (known === undefined) {
      const created = new EndpointRuntime(endpoint, pools, pool, http2Pool)
      this.#endpoints.set(key, created)
      return created
    }
    known.config = endpoint
    for (const former of [known.pool, known.http2Pool]) if (former !== pool && former !== http2Pool) former.retire()
    known.pool = pool
    known.http2Pool = http2Pool
    return known
  }

  #ensurePool(pools: Map<string, ConnectionPool>, endpoint: Endpoint, protocol: PoolProtocol): ConnectionPool {
    const tls = tlsFor(this.config, endpoint)
    const { connectTimeoutMs, keepalive } = this.config
    const bindAddress = bindAddressFor(this.config, endpoint.address.host) ?? ''
    const { afterMs, intervalMs, probes } = keepalive ?? {}
    const key = `${protocol}|${transportKey(tls)}|${bindAddress}|${connectTimeoutMs}|${afterMs} ${intervalMs} ${probes}`
    const pool = pools.get(key) ?? this.#createPool(endpoint, transportKey(tls), tls, protocol)
    pools.set(key, pool)
    pool.revive()
    return pool
  }

  #createPool(endpoint: Endpoint, key: string, tls: UpstreamTls | undefined, protocol: PoolProtocol): ConnectionPool {
    const target: ConnectTarget = {
      host: endpoint.address.host,
      port: endpoint.address.port,
      connectTimeoutMs: this.config.connectTimeoutMs,
      bindAddress: bindAddressFor(this.config, endpoint.address.host),
      keepalive: this.config.keepalive,
      transport: tls === undefined ? undefined : this.#transport(key, tls),
      alpn: tls === undefined ? [] : offeredAlpn(tls, protocol),
      tickets: createTicketBox(),
    }
    return new ConnectionPool(target, this.load, this.#services, this.#poolLimits, protocol)
  }

  #transport(key: string, tls: UpstreamTls): TlsTransport {
    const known = this.#transports.get(key)
    if (known !== undefined) return known
    const created = new TlsTransport(tls, this.#services.secrets)
    this.#transports.set(key, created)
    return created
  }

  #retire(key: string, endpoint: EndpointRuntime): void {
    for (const pool of endpoint.pools.values()) pool.retire()
    this.#endpoints.delete(key)
  }
}

const NO_PLAN = planHosts([])

function statusOf([address, endpoint]: readonly [string, EndpointRuntime]): ClusterStatus['endpoints'][number] {
  return {
    address,
    activeRequests: endpoint.activeRequests,
    totalRequests: endpoint.totalRequests,
    connectFailures: [...endpoint.pools.values()].reduce((total, pool) => total + pool.connectFailures, 0),
    health: endpoint.config.health,
  }
}

function unusedStatus(endpoint: Endpoint): ClusterStatus['endpoints'][number] {
  return { address: addressKey(endpoint), activeRequests: 0, totalRequests: 0, connectFailures: 0, health: endpoint.health }
}

function readsFiles(config: Cluster): boolean {
  return [config.tls, ...config.transportMatches.map(({ tls }) => tls)].some(
    (tls) => tls?.certificate?.kind === 'files' || tls?.validation.trust?.kind === 'file',
  )
}

/** Original destinations that are remembered while nobody uses them. */
const MAX_IDLE_ORIGINALS = 256

function addressKey(endpoint: Endpoint): string {
  return `${endpoint.address.host}:${endpoint.address.port}`
}

/** HTTP/2's concern new connections: a change cuts nothing. */
function limitsOf({ idleTimeoutMs, maxRequestsPerConnection, http2 }: Cluster): PoolLimits {
  return { idleTimeoutMs, maxRequestsPerConnection, http2: sessionOptions(http2) }
}

/** The one of the endpoint's family. Without one it stays the other: a connection that fails is better than one that is captured again. */
function bindAddressFor({ bindAddress, otherBindAddress }: Cluster, host: string): string | undefined {
  if (bindAddress === undefined || otherBindAddress === undefined) return bindAddress
  return isIPv6(host) === isIPv6(bindAddress) ? bindAddress : otherBindAddress
}
