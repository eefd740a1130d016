// What one client wants and has of one resource type, over the incremental protocol ("xDS REST and gRPC protocol", incremental variants).
// No gRPC, no time: requests go in, renderings come out. Used by client-session.ts.
// Resources come in two parts, shared and own (generate/resources.ts); what is held is kept in the same two, so that the shared one is
// compared and rendered once for all clients. A client that asks by name may name either: its parts are joined.
// Invariants: at most one response is out and unanswered; a resource that the client holds in its newest version is not sent.
import { ROUTE_TYPE, VIRTUAL_HOST_TYPE } from '../../envoy/type-urls.ts'
import { NO_RESOURCES, type ResourceParts } from '../generate/resources.ts'
import { type InterestBook, type NameSet, NO_NAMES } from './interest.ts'
import type { DeltaRequest } from './read-request.ts'
import { afterAcceptance, type Rejection, rejected } from './rejection.ts'
import { type DeltaRenderer, type Held, HOLDS_NOTHING, type Rendered } from './render-delta.ts'
import type { Subscription } from './subscription.ts'
import { encodeDeltaTail } from './wire.ts'

const WILDCARD = '*'
const EMPTY: ResourceParts = { shared: NO_RESOURCES, own: NO_RESOURCES }

interface HeldParts {
  readonly shared: Held
  readonly own: Held
}

interface Awaited {
  readonly nonce: string
  readonly systemVersion: string
  readonly parts: readonly Rendered[]
}

export class DeltaSubscription implements Subscription {
  readonly typeUrl: string
  rejection: Rejection | undefined
  sentVersion = ''
  acceptedVersion = ''
  readonly #renderer: DeltaRenderer
  readonly #book: InterestBook
  #wildcard: boolean
  #names: NameSet = NO_NAMES
  #held: HeldParts = { shared: HOLDS_NOTHING, own: HOLDS_NOTHING }
  /** What the client said it has when it came back, not yet told apart. */
  #unsorted = false
  /** From the first name on: parts no longer matter. */
  #joined = false
  /** The last response, until the client has answered it. */
  #awaited: Awaited | undefined
  #answeredOnce = false
  /** Looked at since the last request, and nothing new in it: most types, in most rounds. */
  #nothingNewIn: ResourceParts | undefined
  /** Of a refused response with virtual hosts Envoy takes none, or those of some tables: all of them go out again with what comes next. */
  #doubtful: readonly string[] = []
  #accepted: NameSet = NO_NAMES

  /** The first request of this type on the stream. Without names it means everything, the older form of '*'. */
  constructor(renderer: DeltaRenderer, book: InterestBook, request: DeltaRequest) {
    this.typeUrl = request.typeUrl ?? ''
    this.#renderer = renderer
    this.#book = book
    const subscribed = request.resourceNamesSubscribe ?? []
    this.#wildcard = subscribed.length === 0 || subscribed.includes(WILDCARD)
    // What a reconnecting client holds is not sent again; versions are content hashes, so any replica's count.
    const { common = HOLDS_NOTHING, rest = HOLDS_NOTHING } = request.held ?? {}
    if (common.size + rest.size > 0) {
      this.#held = { shared: common, own: rest }
      this.#unsorted = true
      if (this.typeUrl === ROUTE_TYPE) this.#accept([...common.keys(), ...rest.keys()])
    }
    this.#subscribe(subscribed, false)
    this.#unsubscribe(request.resourceNamesUnsubscribe ?? [])
  }

  get awaiting(): boolean {
    return this.#awaited !== undefined
  }

  /** What the client has taken at least once and still wants: it is ready for what belongs to it. Kept of route tables only. */
  get accepted(): NameSet {
    return this.#accepted
  }

  get subscribedNames(): number {
    return this.#names.size
  }

  /** Any later request: an answer to a response, a change of interest, or both. */
  receive(request: DeltaRequest): void {
    this.#nothingNewIn = undefined
    const answered = this.#awaited
    // An answer to anything but the last response is out of date; interest counts whatever the nonce.
    if (answered !== undefined && request.responseNonce === answered.nonce) {
      this.#awaited = undefined
      const touched = answered.parts.flatMap((part) => part.touched)
      if (request.errorDetail === undefined) {
        this.acceptedVersion = answered.systemVersion
        this.rejection = afterAcceptance(this.rejection, touched)
        for (const part of answered.parts) this.#accept(part.touched)
      } else {
        this.rejection = rejected(request.errorDetail.message ?? '', answered.systemVersion, touched)
        if (this.typeUrl === VIRTUAL_HOST_TYPE) this.#doubtful = touched
      }
    }
    this.#subscribe(request.resourceNamesSubscribe ?? [], true)
    this.#unsubscribe(request.resourceNamesUnsubscribe ?? [])
  }

  hasNews(resources: ResourceParts | undefined): boolean {
    if (!this.#answeredOnce) return true
    if (resources !== undefined && resources === this.#nothingNewIn) return false
    const { changed, removed } = this.#compare(this.#target(resources))
    return changed || removed
  }

  /** The next response, or undefined when there is nothing to say (or it must wait). The caller sends it. */
  next(resources: ResourceParts | undefined, keepRemoved: boolean): readonly Uint8Array[] | undefined {
    if (this.#awaited !== undefined) return undefined
    if (resources !== undefined && resources === this.#nothingNewIn) return undefined
    const target = this.#target(resources)
    const { changed, removed } = this.#compare(target)
    // The first request is always answered, if only with nothing: Envoy waits for it before it goes on starting.
    if (!changed && (!removed || keepRemoved) && this.#answeredOnce) {
      // Equal content in a new map: move on to it, so that all clients share one map and the old one can go.
      if (!removed) {
        this.#held = target
        this.#nothingNewIn = resources
      }
      return undefined
    }
    this.#nothingNewIn = undefined
    this.#repeatDoubtful(target)
    const shared = this.#renderer.render(this.typeUrl, this.#held.shared, target.shared, keepRemoved)
    const own = this.#renderer.render(this.typeUrl, this.#held.own, target.own, keepRemoved)
    const parts = [shared, own].filter(({ chunks }) => chunks.length > 0)
    const nonce = `${shared.id}.${own.id}`
    const systemVersion = this.#version(target)
    this.#held = { shared: shared.heldAfter, own: own.heldAfter }
    this.#awaited = { nonce, systemVersion, parts }
    this.#answeredOnce = true
    this.sentVersion = systemVersion
    return [...parts.flatMap(({ chunks }) => chunks), encodeDeltaTail({ systemVersion, typeUrl: this.typeUrl, nonce })]
  }

  #accept(names: readonly string[]): void {
    if (this.typeUrl === ROUTE_TYPE && names.length > 0) this.#accepted = this.#book.subscribe(this.#accepted, names)
  }

  #repeatDoubtful({ own }: ResourceParts): void {
    const names = this.#doubtful
    if (names.length === 0) return
    this.#doubtful = []
    const ofOwn = names.filter((name) => own.has(name) || this.#held.own.has(name))
    const ofShared = ofOwn.length === 0 ? names : names.filter((name) => !ofOwn.includes(name))
    this.#held = { shared: this.#book.ask(this.#held.shared, ofShared, true), own: this.#book.ask(this.#held.own, ofOwn, true) }
  }

  #version({ shared, own }: ResourceParts): string {
    if (own.size === 0) return this.#renderer.version(shared)
    return `${this.#renderer.version(shared)}-${this.#renderer.version(own)}`
  }

  #compare(target: ResourceParts): { readonly changed: boolean; readonly removed: boolean } {
    this.#sort(target)
    const shared = this.#renderer.difference(this.#held.shared, target.shared)
    const own = this.#renderer.difference(this.#held.own, target.own)
    return { changed: shared.changed.length + own.changed.length > 0, removed: shared.removed.length + own.removed.length > 0 }
  }

  /** Puts what a returning client has into the part to which it belongs. What thousands have in common stays one object in nearly all
   *  cases: copied and compared for each of them, it was a third of what a restart costs. */
  #sort({ own }: ResourceParts): void {
    if (!this.#unsorted) return
    this.#unsorted = false
    const said = this.#held
    const foreign = [...said.own].filter(([name]) => !own.has(name))
    const misplaced = [...own.keys()].filter((name) => said.shared.has(name))
    if (foreign.length + misplaced.length === 0) return
    const shared = misplaced.length === 0 ? said.shared : this.#book.forget(said.shared, misplaced, false)
    const ownHeld = new Map([...said.own].filter(([name]) => own.has(name)))
    for (const name of misplaced) ownHeld.set(name, said.shared.get(name) ?? { version: '' })
    this.#held = { shared: foreign.length === 0 ? shared : new Map([...shared, ...foreign]), own: ownHeld }
  }

  /** The part of the resources that this client wants; the same objects while neither they nor its wishes change. */
  #target(resources: ResourceParts = EMPTY): ResourceParts {
    if (!this.#joined) return resources
    const all = this.#book.union(resources.shared, resources.own)
    return { shared: this.#wildcard ? all : this.#book.select(this.#names, all), own: NO_RESOURCES }
  }

  #joinParts(): void {
    const { shared, own } = this.#held
    this.#unsorted = false
    this.#joined = true
    if (own.size > 0) this.#held = { shared: new Map([...shared, ...own]), own: HOLDS_NOTHING }
  }

  /** A name asked for (again) is sent (again), or reported as removed when there is none: both follow from holding version ''. */
  #subscribe(names: readonly string[], again: boolean): void {
    if (names.length === 0) return
    if (names.includes(WILDCARD)) this.#wildcard = true
    const asked = names.includes(WILDCARD) ? names.filter((name) => name !== WILDCARD) : names
    if (asked.length === 0) return
    this.#joinParts()
    this.#names = this.#book.subscribe(this.#names, asked)
    this.#held = { shared: this.#book.ask(this.#held.shared, asked, again), own: HOLDS_NOTHING }
  }

  #unsubscribe(names: readonly string[]): void {
    if (names.length === 0) return
    this.#joinParts()
    if (names.includes(WILDCARD)) this.#wildcard = false
    const given = names.filter((name) => name !== WILDCARD && this.#names.has(name))
    this.#names = this.#book.unsubscribe(this.#names, given)
    if (this.#accepted.size > 0) this.#accepted = this.#book.unsubscribe(this.#accepted, given)
    // The client has forgotten them. Where '*' still covers the names, it is told anew whether they exist.
    let held = this.#book.forget(this.#held.shared, given, this.#wildcard)
    if (names.includes(WILDCARD)) held = new Map([...held].filter(([name]) => this.#names.has(name)))
    this.#held = { shared: held, own: HOLDS_NOTHING }
  }
}
