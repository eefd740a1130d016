// What one client wants and has of one resource type, over the state-of-the-world protocol: every response carries all that it asked for.
// No gRPC, no time. Used by client-session.ts. Invariant: a set of resources that the client has in this version is not sent again.
import type { DiscoveryRequest } from '../../envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE, LISTENER_TYPE } from '../../envoy/type-urls.ts'
import { NO_RESOURCES, type ResourceParts } from '../generate/resources.ts'
import type { InterestBook } from './interest.ts'
import { type Rejection, rejected } from './rejection.ts'
import type { DeltaRenderer, Target } from './render-delta.ts'
import type { Subscription } from './subscription.ts'
import { encodeSotwResponse } from './wire.ts'

export class SotwSubscription implements Subscription {
  readonly typeUrl: string
  rejection: Rejection | undefined
  sentVersion = ''
  acceptedVersion = ''
  awaiting = false
  readonly #renderer: DeltaRenderer
  readonly #book: InterestBook
  #names: ReadonlySet<string>
  #wildcard: boolean
  #nonce = ''
  #nonces = 0
  #sentNames: readonly string[] = []

  constructor(renderer: DeltaRenderer, book: InterestBook, request: DiscoveryRequest) {
    this.#book = book
    this.typeUrl = request.typeUrl ?? ''
    this.#renderer = renderer
    this.#names = new Set(request.resourceNames)
    // No names mean everything for listeners and clusters, until names are given for the first time; for other types, nothing.
    this.#wildcard = this.#names.has('*') || (this.#names.size === 0 && (this.typeUrl === CLUSTER_TYPE || this.typeUrl === LISTENER_TYPE))
    // A reconnecting client says what it runs; versions are content hashes of the whole set.
    this.sentVersion = request.versionInfo ?? ''
    this.acceptedVersion = this.sentVersion
  }

  get subscribedNames(): number {
    return this.#names.size
  }

  receive(request: DiscoveryRequest): void {
    // An answer to an older response says nothing about the present ("ACK and NACK semantics summary").
    if (request.responseNonce !== this.#nonce) return
    if (this.awaiting) {
      this.awaiting = false
      if (request.errorDetail === undefined) {
        this.acceptedVersion = this.sentVersion
        this.rejection = undefined
      } else this.rejection = rejected(request.errorDetail.message ?? '', this.sentVersion, this.#sentNames)
    }
    const names = new Set(request.resourceNames)
    if (names.size > 0) this.#wildcard = names.has('*')
    this.#names = names
  }

  hasNews(resources: ResourceParts | undefined): boolean {
    return this.#renderer.version(this.#target(resources)) !== this.sentVersion
  }

  next(resources: ResourceParts | undefined): readonly Uint8Array[] | undefined {
    if (this.awaiting) return undefined
    const target = this.#target(resources)
    const version = this.#renderer.version(target)
    if (version === this.sentVersion) return undefined
    this.awaiting = true
    this.sentVersion = version
    this.#nonce = String(++this.#nonces)
    this.#sentNames = [...target.keys()]
    return [encodeSotwResponse({ version, typeUrl: this.typeUrl, nonce: this.#nonce, resources: target.values() })]
  }

  #target({ shared, own }: ResourceParts = { shared: NO_RESOURCES, own: NO_RESOURCES }): Target {
    const all = this.#book.union(shared, own)
    return this.#wildcard ? all : this.#book.select(this.#names, all)
  }
}
