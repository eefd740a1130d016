// What one client wants and has of one resource type, over the incremental protocol ("xDS REST and gRPC protocol", incremental variants).
// No gRPC, no time: requests go in, renderings come out. Used by client-session.ts.
// Invariants: at most one response is out and unanswered; a resource that the client holds in its newest version is not sent.
import type { DeltaDiscoveryRequest } from '../../envoy/generated/messages.gen.ts'
import type { EncodedResource } from '../generate/resources.ts'
import { afterAcceptance, type Rejection, rejected } from './rejection.ts'
import { type DeltaRenderer, type Held, HOLDS_NOTHING, NO_RESOURCES, type Rendered, type Target } from './render-delta.ts'
import type { Subscription } from './subscription.ts'

const WILDCARD = '*'

export class DeltaSubscription implements Subscription {
  readonly typeUrl: string
  rejection: Rejection | undefined
  sentVersion = ''
  acceptedVersion = ''
  readonly #renderer: DeltaRenderer
  #wildcard: boolean
  readonly #names = new Set<string>()
  #held: Held = HOLDS_NOTHING
  /** The last response, until the client has answered it. */
  #awaited: Rendered | undefined
  #answeredOnce = false
  #selected: { readonly from: Target; readonly target: Target } | undefined

  /** The first request of this type on the stream. Without names it means everything, the older form of '*'. */
  constructor(renderer: DeltaRenderer, request: DeltaDiscoveryRequest) {
    this.typeUrl = request.typeUrl ?? ''
    this.#renderer = renderer
    const subscribed = request.resourceNamesSubscribe ?? []
    this.#wildcard = subscribed.length === 0 || subscribed.includes(WILDCARD)
    // What a reconnecting client holds is not sent again; versions are content hashes, so any replica's count.
    const initial = Object.entries(request.initialResourceVersions ?? {}).map(([name, version]) => [name, { version }] as const)
    if (initial.length > 0) this.#held = new Map(initial)
    this.#subscribe(subscribed, false)
    this.#unsubscribe(request.resourceNamesUnsubscribe ?? [])
  }

  get awaiting(): boolean {
    return this.#awaited !== undefined
  }

  get subscribedNames(): number {
    return this.#names.size
  }

  /** Any later request: an answer to a response, a change of interest, or both. */
  receive(request: DeltaDiscoveryRequest): void {
    const answered = this.#awaited
    // An answer to anything but the last response is out of date; interest counts whatever the nonce.
    if (answered !== undefined && request.responseNonce === answered.nonce) {
      this.#awaited = undefined
      if (request.errorDetail === undefined) {
        this.acceptedVersion = answered.systemVersion
        this.rejection = afterAcceptance(this.rejection, answered.touched.keys())
      } else {
        this.rejection = rejected(request.errorDetail.message ?? '', answered.systemVersion, answered.touched.keys())
      }
    }
    this.#subscribe(request.resourceNamesSubscribe ?? [], true)
    this.#unsubscribe(request.resourceNamesUnsubscribe ?? [])
  }

  hasNews(resources: Target | undefined): boolean {
    if (!this.#answeredOnce) return true
    const { changed, removed } = this.#renderer.difference(this.#held, this.#target(resources))
    return changed.length > 0 || removed.length > 0
  }

  /** The next response, or undefined when there is nothing to say (or it must wait). The caller sends it. */
  next(resources: Target | undefined, keepRemoved: boolean): Buffer | undefined {
    if (this.#awaited !== undefined) return undefined
    const target = this.#target(resources)
    const { changed, removed } = this.#renderer.difference(this.#held, target)
    // The first request is always answered, if only with nothing: Envoy waits for it before it goes on starting.
    if (changed.length === 0 && (removed.length === 0 || keepRemoved) && this.#answeredOnce) {
      // Equal content in a new map: move on to it, so that all clients share one map and the old one can go.
      if (removed.length === 0) this.#held = target
      return undefined
    }
    const rendered = this.#renderer.render(this.typeUrl, this.#held, target, keepRemoved)
    this.#held = rendered.heldAfter
    this.#awaited = rendered
    this.#answeredOnce = true
    this.sentVersion = rendered.systemVersion
    return rendered.bytes
  }

  /** The part of the resources that this client wants; the same object while neither they nor its wishes change. */
  #target(resources: Target = NO_RESOURCES): Target {
    if (this.#wildcard) return resources
    if (this.#selected?.from === resources) return this.#selected.target
    const target = new Map<string, EncodedResource>()
    for (const name of this.#names) {
      const resource = resources.get(name)
      if (resource !== undefined) target.set(name, resource)
    }
    this.#selected = { from: resources, target }
    return target
  }

  /** A name asked for (again) is sent (again), or reported as removed when there is none: both follow from holding version ''. */
  #subscribe(names: readonly string[], again: boolean): void {
    if (names.includes(WILDCARD)) this.#wildcard = true
    const asked = names.filter((name) => name !== WILDCARD)
    if (asked.length === 0) return
    this.#selected = undefined
    const held = new Map(this.#held)
    for (const name of asked) {
      this.#names.add(name)
      if (again || !held.has(name)) held.set(name, { version: '' })
    }
    this.#held = held
  }

  #unsubscribe(names: readonly string[]): void {
    if (names.length === 0) return
    this.#selected = undefined
    const held = new Map(this.#held)
    for (const name of names) {
      if (name === WILDCARD) this.#wildcard = false
      else if (this.#names.delete(name)) {
        // The client has forgotten it. Where '*' still covers the name, it is told anew whether it exists.
        if (this.#wildcard) held.set(name, { version: '' })
        else held.delete(name)
      }
    }
    if (names.includes(WILDCARD)) for (const name of held.keys()) if (!this.#names.has(name)) held.delete(name)
    this.#held = held
  }
}
