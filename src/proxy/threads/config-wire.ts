// A configuration over the border between threads: compiled patterns are functions and stay, so what crosses is the resources that each
// cluster and listener was made of, and the other side makes the same of them. Encoded by the main thread, decoded by each data thread.
// Invariants: the data thread gets exactly what the main thread published, also a listener of before that was kept; a resource crosses
// once; an unchanged cluster or listener stays the very same object on the other side (Assembler), so its sockets and pools stay too.
import type {
  ClusterLoadAssignment,
  Cluster as ClusterMessage,
  Listener as ListenerMessage,
  RouteConfiguration,
  VirtualHost,
} from '../../envoy/generated/messages.gen.ts'
import type { Assembler, Received, ReceivedByName, Resources } from '../config/assemble.ts'
import type { Cluster, Listener, ProxyConfig } from '../config/proxy-config.ts'
import type { ConfigUpdate, NamedIds, NumberedResource, PartRecipe } from './protocol.ts'

export type OriginOf = (part: Cluster | Listener) => Resources | undefined

export interface EncodedConfig {
  readonly parts: readonly PartRecipe[]
  readonly resources: ReadonlyMap<number, NumberedResource>
}

/** Main thread. One per process: ids are never used twice. */
export class ConfigEncoder {
  readonly #originOf: OriginOf
  readonly #ids = new WeakMap<object, number>()
  #lastId = 0

  constructor(originOf: OriginOf) {
    this.#originOf = originOf
  }

  encode(config: ProxyConfig): EncodedConfig {
    const resources = new Map<number, NumberedResource>()
    const number = (named: ReceivedByName<object>): NamedIds =>
      [...named].map(([name, { message, dropped }]) => {
        const id = this.#idOf(message)
        if (!resources.has(id)) resources.set(id, { id, message, dropped })
        return [name, id] as const
      })
    const parts = [...config.clusters.values(), ...config.listeners.values()].map((part) => {
      const origin = this.#originOf(part)
      if (origin === undefined)
        throw new Error(`the ${'filterChains' in part ? 'listener' : 'cluster'} ${part.name} is of another assembler`)
      const { listeners, clusters, routes, endpoints, virtualHosts } = origin
      return {
        ...{ listeners: number(listeners), clusters: number(clusters), routes: number(routes), endpoints: number(endpoints) },
        virtualHosts: number(virtualHosts ?? new Map()),
      }
    })
    return { parts, resources }
  }

  #idOf(message: object): number {
    const known = this.#ids.get(message)
    if (known !== undefined) return known
    this.#lastId++
    this.#ids.set(message, this.#lastId)
    return this.#lastId
  }
}

/** Data thread. */
export class ConfigDecoder {
  readonly #assembler: Assembler
  #held = new Map<number, Received<object>>()

  constructor(assembler: Assembler) {
    this.#assembler = assembler
  }

  decode({ parts, resources }: Pick<ConfigUpdate, 'parts' | 'resources'>): ProxyConfig {
    for (const { id, message, dropped } of resources) this.#held.set(id, dropped === undefined ? { message } : { message, dropped })
    const used = new Map<number, Received<object>>()
    const take = <T extends object>(ids: NamedIds): ReceivedByName<T> =>
      new Map(
        ids.map(([name, id]) => {
          const received = this.#held.get(id)
          if (received === undefined) throw new Error(`resource ${name} was never sent`)
          used.set(id, received)
          // The recipe keeps each type in its own list, and ids are never used twice.
          return [name, received as Received<T>]
        }),
      )
    const listeners = new Map<string, Listener>()
    const clusters = new Map<string, Cluster>()
    for (const part of parts) {
      const origin: Resources = {
        listeners: take<ListenerMessage>(part.listeners),
        clusters: take<ClusterMessage>(part.clusters),
        routes: take<RouteConfiguration>(part.routes),
        endpoints: take<ClusterLoadAssignment>(part.endpoints),
        virtualHosts: take<VirtualHost>(part.virtualHosts),
      }
      // Without patience: whether to wait for something was decided by the main thread.
      const { config } = this.#assembler.assemble(origin, undefined, false)
      for (const [name, listener] of config.listeners) listeners.set(name, listener)
      for (const [name, cluster] of config.clusters) clusters.set(name, cluster)
    }
    this.#held = used
    return { listeners, clusters }
  }
}
