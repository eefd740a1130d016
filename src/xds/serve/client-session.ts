// One connected proxy: its subscriptions of all types, and which message may go out next. Pure: no gRPC, no time, no other client.
// Used by ads-stream.ts.
// Invariants: types go out in PUSH_ORDER, and a later type never overtakes an earlier one that still has news; clusters and endpoints
// are taken away only after the listeners and routes that named them are gone and the client has agreed.
import type { DiscoveryRequest } from '../../envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, SECRET_TYPE, VIRTUAL_HOST_TYPE } from '../../envoy/type-urls.ts'
import { NO_RESOURCES, type ResourceParts, type ServedResources } from '../generate/resources.ts'
import { DeltaSubscription } from './delta-subscription.ts'
import type { InterestBook, NameSet } from './interest.ts'
import type { DeltaRequest } from './read-request.ts'
import type { DeltaRenderer } from './render-delta.ts'
import { SotwSubscription } from './sotw-subscription.ts'
import type { Subscription } from './subscription.ts'

/** CDS, EDS, LDS, RDS, VHDS, SDS, then the rest: what is named comes before what names it (Envoy's 'eventual consistency considerations'). */
const PUSH_ORDER: readonly string[] = [CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE, SECRET_TYPE]
const REFERRING_TYPES: readonly string[] = [LISTENER_TYPE, ROUTE_TYPE, VIRTUAL_HOST_TYPE]
const REFERRED_TYPES: readonly string[] = [CLUSTER_TYPE, ENDPOINT_TYPE]

/** Bounds on what one client can make us remember. */
const MAX_TYPES = 32
const MAX_NAMES = 100_000

const NOTHING: ResourceParts = { shared: NO_RESOURCES, own: NO_RESOURCES }

export interface OutgoingMessage {
  readonly typeUrl: string
  /** The message, in pieces that other clients may be sent too. */
  readonly chunks: readonly Uint8Array[]
}

export class ClientSession {
  readonly protocol: 'delta' | 'state-of-the-world'
  readonly #renderer: DeltaRenderer
  readonly #book: InterestBook
  #sorted: readonly Subscription[] = []
  readonly #delta = new Map<string, DeltaSubscription>()
  readonly #sotw = new Map<string, SotwSubscription>()
  #hosts: { readonly of: ResourceParts; readonly tables: NameSet; readonly parts: ResourceParts } | undefined

  constructor(protocol: 'delta' | 'state-of-the-world', renderer: DeltaRenderer, book: InterestBook) {
    this.protocol = protocol
    this.#book = book
    this.#renderer = renderer
  }

  /** In push order. */
  get subscriptions(): readonly Subscription[] {
    return this.#sorted
  }

  /** Takes a request. Returns why the client must be cut off, or undefined. */
  receiveDelta(request: DeltaRequest): string | undefined {
    const known = this.#delta.get(request.typeUrl ?? '')
    if (known === undefined) this.#add(this.#delta, new DeltaSubscription(this.#renderer, this.#book, request))
    else known.receive(request)
    return this.#overBounds()
  }

  receiveSotw(request: DiscoveryRequest): string | undefined {
    const known = this.#sotw.get(request.typeUrl ?? '')
    if (known === undefined) this.#add(this.#sotw, new SotwSubscription(this.#renderer, this.#book, request))
    else known.receive(request)
    return this.#overBounds()
  }

  /** Everything that may go out now, in order. What cannot is looked at again after the next answer or update, and is then the newest. */
  next(resources: ServedResources): readonly OutgoingMessage[] {
    const messages: OutgoingMessage[] = []
    const keepRemoved = this.#referrersUnsettled(resources)
    for (const subscription of this.subscriptions) {
      const { typeUrl } = subscription
      const ofType = this.#wantable(resources, typeUrl)
      // Its first answer would be an empty one, of which Envoy takes no notice.
      if (typeUrl === VIRTUAL_HOST_TYPE && this.#delta.get(ROUTE_TYPE)?.awaiting === true) continue
      if (subscription.awaiting) {
        if (subscription.hasNews(ofType)) break
        continue
      }
      const chunks = subscription.next(ofType, keepRemoved && REFERRED_TYPES.includes(typeUrl))
      if (chunks !== undefined) messages.push({ typeUrl, chunks })
    }
    return messages
  }

  /** Everything of these has been sent and answered. */
  hasAnswered(resources: ServedResources): boolean {
    return this.subscriptions.every(
      (subscription) => !subscription.awaiting && !subscription.hasNews(this.#wantable(resources, subscription.typeUrl)),
    )
  }

  /** While a listener or route is unsent, unanswered or refused, the client may still run one that names what was removed. */
  #referrersUnsettled(resources: ServedResources): boolean {
    return this.subscriptions.some(
      (subscription) =>
        REFERRING_TYPES.includes(subscription.typeUrl) &&
        (subscription.awaiting ||
          subscription.rejection !== undefined ||
          subscription.hasNews(this.#wantable(resources, subscription.typeUrl))),
    )
  }

  /** Virtual hosts are for tables that the client has taken: what comes before its table, Envoy counts as received and throws away. */
  #wantable(resources: ServedResources, typeUrl: string): ResourceParts | undefined {
    const ofType = resources.get(typeUrl)
    if (typeUrl !== VIRTUAL_HOST_TYPE || ofType === undefined) return ofType
    const tables = this.#delta.get(ROUTE_TYPE)?.accepted
    if (tables === undefined) return NOTHING
    if (this.#hosts?.of !== ofType || this.#hosts.tables !== tables) {
      this.#hosts = { of: ofType, tables, parts: this.#book.ofTables(tables, ofType) }
    }
    return this.#hosts.parts
  }

  #add<S extends Subscription>(to: Map<string, S>, subscription: S): void {
    to.set(subscription.typeUrl, subscription)
    this.#sorted = [...this.#delta.values(), ...this.#sotw.values()].sort((a, b) => rank(a.typeUrl) - rank(b.typeUrl))
  }

  #overBounds(): string | undefined {
    if (this.#delta.size + this.#sotw.size > MAX_TYPES) return `more than ${MAX_TYPES} resource types on one stream`
    const names = this.subscriptions.reduce((sum, { subscribedNames }) => sum + subscribedNames, 0)
    return names > MAX_NAMES ? `more than ${MAX_NAMES} resource names on one stream` : undefined
  }
}

function rank(typeUrl: string): number {
  const at = PUSH_ORDER.indexOf(typeUrl)
  return at === -1 ? PUSH_ORDER.length : at
}
