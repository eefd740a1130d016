// The delta xDS protocol as a state machine: responses and connection events in, requests out; no socket, no clock (ads-client.ts is the
// shell). What the proxy wants is a set of names per type: roots (a wildcard or names) and whatever the held resources refer to.
// Invariants: a resource that does not decode leaves the old one in force; what is held is not asked for again after a reconnect;
// an empty first subscription is never sent by accident, because it means 'everything' (Envoy, xDS protocol, 'wildcard').

import { formatProblems, type Problem, type Result } from '../../base/result.ts'
import { typeUrlPrefix } from '../../envoy/any.ts'
import type { DeltaDiscoveryRequest, DeltaDiscoveryResponse, Node, Resource } from '../../envoy/generated/messages.gen.ts'
import {
  CLUSTER_TYPE,
  ENDPOINT_TYPE,
  LISTENER_TYPE,
  ROUTE_TYPE,
  resourceTypeNames,
  SECRET_TYPE,
  VIRTUAL_HOST_TYPE,
} from '../../envoy/type-urls.ts'

export interface ResourceRef {
  readonly typeUrl: string
  readonly name: string
}

/** How resources are read; the state machine itself knows nothing of their content. */
export interface ResourceReader<T> {
  decode(typeUrl: string, name: string, bytes: Uint8Array): Result<T>
  /** Resources that this one needs: a cluster its endpoints, a listener its routes. */
  references(typeUrl: string, value: T): readonly ResourceRef[]
}

/** The name that means all resources of a type. */
export const EVERYTHING = '*'

/** What is wanted for its own sake. `wildcard`: whatever the control plane thinks this node should have. */
export interface Root {
  readonly typeUrl: string
  readonly wildcard: boolean
  readonly names: readonly string[]
}

export interface Held<T> {
  readonly version: string
  readonly value: T
  /** Wall clock of the response that brought it. */
  readonly updatedAtMs: number
}

/** A resource that was refused; forgotten when a later one of its name is taken. */
export interface Rejection {
  readonly typeUrl: string
  readonly name: string
  readonly details: string
  readonly atMs: number
}

export interface Step {
  readonly requests: readonly DeltaDiscoveryRequest[]
  /** Something that is held came, changed or went. */
  readonly changed: boolean
  readonly rejected: readonly Problem[]
}

interface TypeState<T> {
  readonly typeUrl: string
  readonly wildcard: boolean
  readonly roots: Set<string>
  readonly held: Map<string, Held<T>>
  /** Names that the control plane said do not exist: nobody waits for them any longer. */
  readonly absent: Set<string>
  /** What this stream has been told; undefined before its first request of the type. */
  subscribed: Set<string> | undefined
  /** A first response has come, ever: an empty set is then a fact and not a question. */
  answered: boolean
}

/** Make before break: clusters and endpoints before the listeners and routes that use them. */
const ORDER = [SECRET_TYPE, CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE]
const INVALID_ARGUMENT = 3

export class AdsState<T> {
  readonly #node: Node
  readonly #reader: ResourceReader<T>
  readonly #types: readonly TypeState<T>[]
  readonly #rejections = new Map<string, Rejection>()
  /** Of all types; undefined when something has changed since it was computed. */
  #wantedNames: ReadonlyMap<string, Set<string>> | undefined
  #connected = false
  #nodeSent = false

  constructor(node: Node, roots: readonly Root[], reader: ResourceReader<T>) {
    this.#node = node
    this.#reader = reader
    this.#types = ORDER.map((typeUrl) => {
      const root = roots.find((each) => each.typeUrl === typeUrl)
      return {
        typeUrl,
        wildcard: root?.wildcard ?? false,
        roots: new Set(root?.names),
        held: new Map(),
        absent: new Set(),
        subscribed: undefined,
        answered: false,
      }
    })
  }

  held(typeUrl: string): ReadonlyMap<string, Held<T>> {
    return this.#type(typeUrl)?.held ?? new Map()
  }

  /** Names that were asked for and do not exist. */
  absent(typeUrl: string): ReadonlySet<string> {
    return this.#type(typeUrl)?.absent ?? new Set()
  }

  /** Whether the control plane has answered for it: held, or known not to exist. Warming ends with this. */
  isSettled({ typeUrl, name }: ResourceRef): boolean {
    const type = this.#type(typeUrl)
    if (name === EVERYTHING) return type?.answered !== false
    return type === undefined || type.held.has(name) || type.absent.has(name)
  }

  /** Wildcard types have been answered at least once, and nothing that held resources refer to is still to come. */
  get isComplete(): boolean {
    return this.#types.every(
      (type) =>
        (!type.wildcard || type.answered) && [...this.#wanted(type)].every((name) => this.isSettled({ typeUrl: type.typeUrl, name })),
    )
  }

  get rejections(): Iterable<Rejection> {
    return this.#rejections.values()
  }

  connected(): readonly DeltaDiscoveryRequest[] {
    this.#connected = true
    this.#nodeSent = false
    for (const type of this.#types) type.subscribed = undefined
    return this.#subscriptionChanges()
  }

  disconnected(): void {
    this.#connected = false
  }

  /** Adds to what is wanted for its own sake (on-demand discovery). */
  subscribe(typeUrl: string, names: readonly string[]): readonly DeltaDiscoveryRequest[] {
    const type = this.#type(typeUrl)
    for (const name of names) type?.roots.add(name)
    this.#wantedNames = undefined
    return this.#subscriptionChanges()
  }

  unsubscribe(typeUrl: string, names: readonly string[]): Step {
    const type = this.#type(typeUrl)
    for (const name of names) type?.roots.delete(name)
    this.#wantedNames = undefined
    const changed = this.#dropUnwanted()
    return { requests: this.#subscriptionChanges(), changed, rejected: [] }
  }

  received(response: DeltaDiscoveryResponse, nowMs: number): Step {
    const type = this.#type(response.typeUrl ?? '')
    // A type that was never asked for: nothing to acknowledge.
    if (type?.subscribed === undefined) return { requests: [], changed: false, rejected: [] }
    const rejected: Problem[] = []
    let changed = this.#takeResources(type, response.resources ?? [], nowMs, rejected)
    for (const name of response.removedResources ?? []) {
      changed = type.held.delete(name) || !type.absent.has(name) || changed
      this.#wantedNames = undefined
      if (this.#wanted(type).has(name)) type.absent.add(name)
    }
    if (!type.answered) changed = true
    type.answered = true
    changed = this.#dropUnwanted() || changed
    const acknowledgement = this.#request({
      typeUrl: type.typeUrl,
      responseNonce: response.nonce ?? '',
      ...(rejected.length === 0 ? {} : { errorDetail: { code: INVALID_ARGUMENT, message: formatProblems(rejected) } }),
    })
    return { requests: [acknowledgement, ...this.#subscriptionChanges()], changed, rejected }
  }

  #takeResources(type: TypeState<T>, resources: readonly Resource[], nowMs: number, rejected: Problem[]): boolean {
    let changed = false
    const seen = new Set<string>()
    for (const resource of resources) {
      const name = resource.name ?? ''
      const label = `${resourceTypeNames[type.typeUrl] ?? type.typeUrl} ${name}`
      if (seen.has(name)) {
        rejected.push({ path: label, message: 'is twice in one response' })
        continue
      }
      seen.add(name)
      const decoded = this.#decode(type, name, resource)
      if (!decoded.ok) {
        for (const { path, message } of decoded.problems) rejected.push({ path: path === '' ? label : `${label}: ${path}`, message })
        const details = formatProblems(decoded.problems)
        this.#rejections.set(`${type.typeUrl} ${name}`, { typeUrl: type.typeUrl, name, details, atMs: nowMs })
        continue
      }
      this.#rejections.delete(`${type.typeUrl} ${name}`)
      type.held.set(name, { version: resource.version ?? '', value: decoded.value, updatedAtMs: nowMs })
      type.absent.delete(name)
      this.#wantedNames = undefined
      changed = true
    }
    return changed
  }

  #decode(type: TypeState<T>, name: string, resource: Resource): Result<T> {
    const message = resource.resource
    const wrong = (text: string): Result<T> => ({ ok: false, problems: [{ path: '', message: text }] })
    if (name === '') return wrong('has no name')
    if (message === undefined) return wrong('has no content')
    if (message['@type'] !== type.typeUrl) return wrong(`is a ${message['@type'].slice(typeUrlPrefix.length)}`)
    if (!(message.value instanceof Uint8Array)) return wrong('was not left encoded')
    return this.#reader.decode(type.typeUrl, name, message.value)
  }

  /** Names asked for one by one: roots, and references from what is held. */
  #wanted(type: TypeState<T>): Set<string> {
    this.#wantedNames ??= this.#allWanted()
    return this.#wantedNames.get(type.typeUrl) ?? new Set()
  }

  #allWanted(): ReadonlyMap<string, Set<string>> {
    const names = new Map(this.#types.map(({ typeUrl, roots }) => [typeUrl, new Set(roots)]))
    for (const { typeUrl, held } of this.#types) {
      for (const { value } of held.values())
        for (const ref of this.#reader.references(typeUrl, value)) names.get(ref.typeUrl)?.add(ref.name)
    }
    return names
  }

  /** Forgets what nothing refers to any more; a wildcard type holds what the control plane gives it. */
  #dropUnwanted(): boolean {
    let dropped = false
    for (const type of this.#types) {
      if (type.wildcard) continue
      const wanted = this.#wanted(type)
      if (wanted.has(EVERYTHING)) continue
      for (const name of type.held.keys()) {
        if (wanted.has(name)) continue
        type.held.delete(name)
        // What it referred to is of a later type.
        this.#wantedNames = undefined
        dropped = true
      }
      for (const name of type.absent) if (!wanted.has(name)) type.absent.delete(name)
    }
    return dropped
  }

  #subscriptionChanges(): readonly DeltaDiscoveryRequest[] {
    if (!this.#connected) return []
    return this.#types.flatMap((type) => {
      const wanted = this.#wanted(type)
      const request = type.subscribed === undefined ? this.#firstRequest(type, wanted) : this.#laterRequest(type, type.subscribed, wanted)
      return request === undefined ? [] : [request]
    })
  }

  #firstRequest(type: TypeState<T>, wanted: Set<string>): DeltaDiscoveryRequest | undefined {
    if (!type.wildcard && wanted.size === 0) return undefined
    type.subscribed = wanted
    // No name at all is the wildcard that every server knows; beside names it must be written ('*').
    const names = type.wildcard && wanted.size > 0 ? ['*', ...wanted] : [...wanted]
    const versions = Object.fromEntries([...type.held].map(([name, { version }]) => [name, version]))
    return this.#request({
      typeUrl: type.typeUrl,
      resourceNamesSubscribe: names,
      ...(type.held.size === 0 ? {} : { initialResourceVersions: versions }),
    })
  }

  #laterRequest(type: TypeState<T>, before: ReadonlySet<string>, wanted: Set<string>): DeltaDiscoveryRequest | undefined {
    const added = [...wanted].filter((name) => !before.has(name))
    const dropped = [...before].filter((name) => !wanted.has(name))
    if (added.length === 0 && dropped.length === 0) return undefined
    type.subscribed = wanted
    return this.#request({ typeUrl: type.typeUrl, resourceNamesSubscribe: added, resourceNamesUnsubscribe: dropped })
  }

  /** The node goes with the first message of a stream only. */
  #request(request: DeltaDiscoveryRequest): DeltaDiscoveryRequest {
    if (this.#nodeSent) return request
    this.#nodeSent = true
    return { node: this.#node, ...request }
  }

  #type(typeUrl: string): TypeState<T> | undefined {
    return this.#types.find((type) => type.typeUrl === typeUrl)
  }
}
