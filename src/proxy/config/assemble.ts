// Received resources to the configuration that the proxy runs on. One Assembler lives as long as the proxy: what it decoded is kept by
// message, so an update costs what changed, and an unchanged cluster or listener stays the very same object.
// Invariant (warming): a listener is published with all its route tables and their clusters' endpoints, or stays as it was before.
import type { Problem } from '../../base/result.ts'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import { tableOfVirtualHost } from '../../envoy/names.ts'
import { type DecodedCluster, decodeCluster } from './decode-cluster.ts'
import { DecodeContext, type DecodeSettings } from './decode-context.ts'
import { decodeEndpoints } from './decode-endpoint.ts'
import { type DecodedChain, type DecodedListener, decodeListener } from './decode-listener.ts'
import { type DecodedHost, decodeHost, decodeRouteTable } from './decode-route.ts'
import type { Cluster, FilterChain, Listener, ProxyConfig, RouteTable } from './proxy-config.ts'
import { clustersOfChain } from './referenced-clusters.ts'

/** A message as it came, and what the codec left out of it (`onUnsupported`): without that list a policy could be read too widely. */
export interface Received<T> {
  readonly message: T
  readonly dropped?: readonly Problem[]
}

export type ReceivedByName<T> = ReadonlyMap<string, Received<T>>

export interface Resources {
  readonly listeners: ReceivedByName<envoy.Listener>
  readonly clusters: ReceivedByName<envoy.Cluster>
  readonly routes: ReceivedByName<envoy.RouteConfiguration>
  readonly endpoints: ReceivedByName<envoy.ClusterLoadAssignment>
  /** For route tables that ask for them (VHDS); a bootstrap has none. */
  readonly virtualHosts?: ReceivedByName<envoy.VirtualHost>
}

/** The outcome of reading one resource: all of it, or nothing and the reasons. */
export interface Decoded<T> {
  readonly value: T | undefined
  readonly problems: readonly Problem[]
  readonly warnings: readonly Problem[]
}

export interface Rejected {
  readonly type: keyof Resources
  readonly name: string
  readonly problems: readonly Problem[]
}

export interface Waiting {
  readonly type: 'listener' | 'cluster'
  readonly name: string
  readonly for: 'route table' | 'virtual hosts' | 'endpoints'
  /** Of the table or the endpoint assignment. */
  readonly missing: string
}

export interface Assembled {
  readonly config: ProxyConfig
  readonly waiting: readonly Waiting[]
  readonly rejected: readonly Rejected[]
  readonly warnings: readonly Problem[]
}

export class Assembler {
  readonly #settings: DecodeSettings
  readonly #decodedListeners = new WeakMap<envoy.Listener, Decoded<DecodedListener>>()
  readonly #decodedClusters = new WeakMap<envoy.Cluster, Decoded<DecodedCluster>>()
  readonly #decodedRoutes = new WeakMap<envoy.RouteConfiguration, Decoded<RouteTable>>()
  readonly #decodedHosts = new WeakMap<envoy.VirtualHost, Decoded<DecodedHost>>()
  /** Joined clusters and listeners, kept while all their parts are the same objects. */
  readonly #joinedClusters = new WeakMap<
    envoy.Cluster,
    { readonly assignment: envoy.ClusterLoadAssignment; readonly joined: Decoded<Cluster> }
  >()
  readonly #joinedTables = new WeakMap<
    envoy.RouteConfiguration,
    { readonly hosts: readonly DecodedHost[]; readonly joined: Decoded<RouteTable> }
  >()
  readonly #joinedListeners = new WeakMap<envoy.Listener, { readonly tables: readonly RouteTable[]; readonly joined: Listener }>()

  /** What each published cluster and listener was made of; data threads make theirs of the same. */
  readonly #origins = new WeakMap<Cluster | Listener, Resources>()

  constructor(settings: DecodeSettings) {
    this.#settings = settings
  }

  /** The smallest set of resources that gives this very cluster or listener again, also when it is one of before that was kept. */
  originOf(part: Cluster | Listener): Resources | undefined {
    return this.#origins.get(part)
  }

  /** For a NACK: whether one resource can be taken. The answer is kept, so `assemble` does not do the work again. */
  readListener(received: Received<envoy.Listener>): Decoded<DecodedListener> {
    return this.#read(this.#decodedListeners, received, (context) => decodeListener(received.message, '', context))
  }

  readCluster(received: Received<envoy.Cluster>): Decoded<DecodedCluster> {
    return this.#read(this.#decodedClusters, received, (context) => decodeCluster(received.message, '', context))
  }

  readRouteTable(received: Received<envoy.RouteConfiguration>): Decoded<RouteTable> {
    return this.#read(this.#decodedRoutes, received, (context) => decodeRouteTable(received.message, '', context))
  }

  /** @param name of the resource, which begins with the table's; the virtual host is known without it. */
  readVirtualHost(name: string, received: Received<envoy.VirtualHost>): Decoded<DecodedHost> {
    return this.#read(this.#decodedHosts, received, (context) => {
      const prefix = `${tableOfVirtualHost(name)}/`
      const { virtualHost, domains } = decodeHost(received.message, '', context)
      const shortName = virtualHost.name.startsWith(prefix) ? virtualHost.name.slice(prefix.length) : virtualHost.name
      return { virtualHost: { ...virtualHost, name: shortName }, domains }
    })
  }

  /** Endpoints are read for their cluster; alone they are only checked. */
  readEndpoints(received: Received<envoy.ClusterLoadAssignment>): Decoded<readonly Cluster['endpoints'][number][]> {
    const context = new DecodeContext(this.#settings, received.dropped)
    return finish(context, decodeEndpoints(received.message, { allowsNames: false, localityWeighted: false }, '', context))
  }

  /** @param previous what runs now: a listener that must wait stays as it is there.
   *  @param patience false: what is still missing will not come (a fetch timed out); clusters without endpoints answer UH, and
   *  listeners without a table are left out. */
  assemble(resources: Resources, previous?: ProxyConfig, patience = true): Assembled {
    const state = new Assembly()
    for (const [name, received] of resources.virtualHosts ?? []) state.hostsOf(tableOfVirtualHost(name)).push([name, received])
    for (const [name, received] of resources.clusters) this.#addCluster(name, received, resources, patience, state)
    for (const [name, received] of resources.listeners) this.#addListener(name, received, resources, previous, patience, state)
    return {
      config: { listeners: state.listeners, clusters: state.clusters },
      waiting: state.waiting,
      rejected: state.rejected,
      warnings: state.warnings,
    }
  }

  #addCluster(name: string, received: Received<envoy.Cluster>, resources: Resources, patience: boolean, state: Assembly): void {
    const decoded = state.take('clusters', name, this.readCluster(received))
    if (decoded === undefined) return
    const { cluster, edsName } = decoded
    const clusters = new Map([[name, received]])
    this.#remember(cluster, { ...NO_RESOURCES, clusters })
    if (edsName === undefined) {
      state.clusters.set(cluster.name, cluster)
      return
    }
    const assignment = resources.endpoints.get(edsName)
    if (assignment === undefined) {
      state.waiting.push({ type: 'cluster', name: cluster.name, for: 'endpoints', missing: edsName })
      if (patience) state.warming.set(cluster.name, edsName)
      else state.clusters.set(cluster.name, cluster)
      return
    }
    const joined = state.take('endpoints', edsName, this.#join(received.message, decoded, assignment))
    if (joined === undefined) return
    this.#remember(joined, { ...NO_RESOURCES, clusters, endpoints: new Map([[edsName, assignment]]) })
    state.clusters.set(joined.name, joined)
  }

  #remember(part: Cluster | Listener, origin: Resources): void {
    if (!this.#origins.has(part)) this.#origins.set(part, origin)
  }

  #join(message: envoy.Cluster, decoded: DecodedCluster, assignment: Received<envoy.ClusterLoadAssignment>): Decoded<Cluster> {
    const kept = this.#joinedClusters.get(message)
    if (kept?.assignment === assignment.message) return kept.joined
    const context = new DecodeContext(this.#settings, assignment.dropped)
    const endpoints = decodeEndpoints(assignment.message, decoded.endpointRules, '', context)
    const joined = finish<Cluster>(context, { ...decoded.cluster, endpoints })
    this.#joinedClusters.set(message, { assignment: assignment.message, joined })
    return joined
  }

  #addListener(
    name: string,
    received: Received<envoy.Listener>,
    resources: Resources,
    previous: ProxyConfig | undefined,
    patience: boolean,
    state: Assembly,
  ): void {
    const decoded = state.take('listeners', name, this.readListener(received))
    if (decoded === undefined) return
    const listenerName = decoded.listener.name
    const waitingBefore = state.waiting.length
    const tables = this.#tablesOf(decoded, resources, patience, state)
    const complete = tables.every((table) => table !== undefined)
    const listener = complete ? this.#joinListener(received.message, decoded, tables) : undefined
    if (listener !== undefined && patience) {
      for (const cluster of clustersOf(listener)) {
        const missing = state.warming.get(cluster)
        if (missing !== undefined) state.waiting.push({ type: 'listener', name: listenerName, for: 'endpoints', missing })
      }
    }
    if (listener !== undefined && !this.#origins.has(listener)) {
      this.#remember(listener, { ...NO_RESOURCES, listeners: new Map([[name, received]]), ...routesOf(decoded, resources, state) })
    }
    if (listener !== undefined && state.waiting.length === waitingBefore) {
      state.listeners.set(listenerName, listener)
      return
    }
    const before = previous?.listeners.get(listenerName)
    if (before !== undefined) state.keep(before, previous)
  }

  #tablesOf(decoded: DecodedListener, resources: Resources, patience: boolean, state: Assembly): readonly (RouteTable | undefined)[] {
    return chainsOf(decoded).flatMap(({ terminal }) => {
      if (!('routes' in terminal)) return []
      if ('table' in terminal.routes) return [terminal.routes.table]
      const { rdsName } = terminal.routes
      const received = resources.routes.get(rdsName)
      const waitFor = (what: Waiting['for']): void => {
        state.waiting.push({ type: 'listener', name: decoded.listener.name, for: what, missing: rdsName })
      }
      if (received !== undefined && patience && received.message.vhds !== undefined && state.hostsOf(rdsName).length === 0) {
        waitFor('virtual hosts')
        return [undefined]
      }
      const table = received === undefined ? undefined : state.take('routes', rdsName, this.#tableOf(rdsName, received, state))
      if (table === undefined) waitFor('route table')
      return [table]
    })
  }

  /** A virtual host that cannot be read was refused when it came, and what was before it is still held. */
  #tableOf(name: string, received: Received<envoy.RouteConfiguration>, state: Assembly): Decoded<RouteTable> {
    if (received.message.vhds === undefined) return this.readRouteTable(received)
    const hosts = state.hostsOf(name).flatMap(([host, each]) => state.take('virtualHosts', host, this.readVirtualHost(host, each)) ?? [])
    const kept = this.#joinedTables.get(received.message)
    if (kept?.hosts.length === hosts.length && kept.hosts.every((host, index) => host === hosts[index])) return kept.joined
    const context = new DecodeContext(this.#settings, received.dropped)
    const joined = finish(context, decodeRouteTable(received.message, '', context, hosts))
    this.#joinedTables.set(received.message, { hosts, joined })
    return joined
  }

  #joinListener(message: envoy.Listener, decoded: DecodedListener, tables: readonly (RouteTable | undefined)[]): Listener | undefined {
    const found = tables.filter((table) => table !== undefined)
    const kept = this.#joinedListeners.get(message)
    if (kept?.tables.every((table, index) => table === found[index])) return kept.joined
    let next = 0
    const close = ({ chain, terminal }: DecodedChain): FilterChain | undefined => {
      if (!('routes' in terminal)) return { ...chain, terminal }
      const routes = found[next++]
      return routes === undefined ? undefined : { ...chain, terminal: { ...terminal.manager, routes } }
    }
    const filterChains = decoded.chains.flatMap((chain) => close(chain) ?? [])
    const defaultFilterChain = decoded.defaultChain === undefined ? undefined : close(decoded.defaultChain)
    const joined: Listener = { ...decoded.listener, filterChains, defaultFilterChain }
    this.#joinedListeners.set(message, { tables: found, joined })
    return joined
  }

  #read<M extends object, T>(
    cache: WeakMap<M, Decoded<T>>,
    received: Received<M>,
    decode: (context: DecodeContext) => T | undefined,
  ): Decoded<T> {
    const kept = cache.get(received.message)
    if (kept !== undefined) return kept
    const context = new DecodeContext(this.#settings, received.dropped)
    const decoded = finish(context, decode(context))
    cache.set(received.message, decoded)
    return decoded
  }
}

function finish<T>(context: DecodeContext, value: T | undefined): Decoded<T> {
  context.reportDropped()
  const { problems, warnings } = context
  return { value: problems.length === 0 ? value : undefined, problems, warnings }
}

const NO_RESOURCES: Resources = { listeners: new Map(), clusters: new Map(), routes: new Map(), endpoints: new Map() }

function routesOf(decoded: DecodedListener, { routes }: Resources, state: Assembly): Required<Pick<Resources, 'routes' | 'virtualHosts'>> {
  const found = new Map<string, Received<envoy.RouteConfiguration>>()
  const hosts = new Map<string, Received<envoy.VirtualHost>>()
  for (const { terminal } of chainsOf(decoded)) {
    if (!('routes' in terminal) || 'table' in terminal.routes) continue
    const table = routes.get(terminal.routes.rdsName)
    if (table === undefined) continue
    found.set(terminal.routes.rdsName, table)
    if (table.message.vhds !== undefined) for (const [name, host] of state.hostsOf(terminal.routes.rdsName)) hosts.set(name, host)
  }
  return { routes: found, virtualHosts: hosts }
}

function chainsOf(decoded: DecodedListener): readonly DecodedChain[] {
  return decoded.defaultChain === undefined ? decoded.chains : [...decoded.chains, decoded.defaultChain]
}

function clustersOf(listener: Listener): ReadonlySet<string> {
  const names = new Set<string>()
  for (const chain of listener.filterChains) clustersOfChain(chain, names)
  if (listener.defaultFilterChain !== undefined) clustersOfChain(listener.defaultFilterChain, names)
  return names
}

/** What one call of `assemble` collects. */
class Assembly {
  readonly listeners = new Map<string, Listener>()
  readonly clusters = new Map<string, Cluster>()
  /** Clusters without endpoints yet -> the assignment's name. */
  readonly warming = new Map<string, string>()
  readonly waiting: Waiting[] = []
  readonly rejected: Rejected[] = []
  readonly warnings: Problem[] = []
  readonly #reported = new Set<string>()
  readonly #hosts = new Map<string, (readonly [name: string, received: Received<envoy.VirtualHost>])[]>()

  /** The virtual hosts that came as resources of their own, of one table. */
  hostsOf(table: string): (readonly [name: string, received: Received<envoy.VirtualHost>])[] {
    const known = this.#hosts.get(table) ?? []
    this.#hosts.set(table, known)
    return known
  }

  take<T>(type: keyof Resources, name: string, decoded: Decoded<T>): T | undefined {
    const key = `${type}/${name}`
    // A table is read once per listener that names it, and reported once.
    if (!this.#reported.has(key)) {
      this.#reported.add(key)
      if (decoded.value === undefined) this.rejected.push({ type, name, problems: decoded.problems })
      for (const warning of decoded.warnings) this.warnings.push({ path: `${type}["${name}"].${warning.path}`, message: warning.message })
    }
    return decoded.value
  }

  /** A listener of before runs on, with those of its clusters that are not known any better. */
  keep(listener: Listener, previous: ProxyConfig | undefined): void {
    this.listeners.set(listener.name, listener)
    for (const name of clustersOf(listener)) {
      const before = previous?.clusters.get(name)
      if (before !== undefined && !this.clusters.has(name) && this.warming.has(name)) this.clusters.set(name, before)
    }
  }
}
