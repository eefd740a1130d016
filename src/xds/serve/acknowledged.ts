// What a client is known to run: the newest resources of which it has answered everything. Kept per stream by ads-server.ts, which asks
// before and after every message; read by the digest (digest.ts).
// Invariant: resources are 'taken' only when the client has answered all that they changed for it, in all types that it asked for; what
// it refused is not 'clean' until it has been replaced and accepted.
import { CLUSTER_TYPE, LISTENER_TYPE } from '../../envoy/type-urls.ts'
import type { ServedResources } from '../generate/resources.ts'
import type { ProxyNode } from '../view/proxy-node.ts'
import { objectsOf } from './blame.ts'
import type { Subscription } from './subscription.ts'

export interface Acknowledgement {
  readonly node: ProxyNode
  readonly connectedSinceMs: number
  /** The newest resources of which it has answered everything, be it with a refusal; and of which it has accepted everything. */
  readonly taken: ServedResources | undefined
  readonly clean: ServedResources | undefined
  /** It has accepted everything that it was offered. */
  readonly isCurrent: boolean
  /** Since when it is current, or not. */
  readonly sinceMs: number
  readonly rejections: readonly AcknowledgedRejection[]
}

export interface AcknowledgedRejection {
  readonly typeUrl: string
  readonly message: string
  readonly resources: readonly string[]
  /** Of the users, from which the refused resources came. */
  readonly objects: readonly string[]
}

export class Acknowledged {
  /** Everything answered, be it with a refusal. */
  taken: ServedResources | undefined
  /** Everything answered and accepted. */
  clean: ServedResources | undefined
  /** Since when it is as it is: up to date, or not. */
  sinceMs: number
  #offered: ServedResources | undefined

  constructor(nowMs: number) {
    this.sinceMs = nowMs
  }

  get lastOffered(): ServedResources | undefined {
    return this.#offered
  }

  /** Whether to ask if the client has answered what it was offered, before newer resources take its place. */
  isOpen(resources: ServedResources | undefined): boolean {
    return this.#offered !== undefined && this.#offered !== this.taken && this.#offered !== resources
  }

  /** @param hasMore something of them is on its way, or must wait for an answer. */
  offered(resources: ServedResources, hasMore: boolean, subscriptions: readonly Subscription[], nowMs: number): void {
    const wasClean = this.#offered !== undefined && this.clean === this.#offered
    this.#offered = resources
    if (!hasMore && !subscriptions.some(({ awaiting }) => awaiting)) this.settle(resources, subscriptions)
    if (wasClean !== (this.clean === resources)) this.sinceMs = nowMs
  }

  settle(resources: ServedResources, subscriptions: readonly Subscription[]): void {
    if (!isComplete(subscriptions)) return
    this.taken = resources
    if (subscriptions.every(({ rejection }) => rejection === undefined)) this.clean = resources
  }
}

/** A client that has not asked for clusters and listeners yet is still starting: that it has nothing to answer says nothing. */
function isComplete(subscriptions: readonly Subscription[]): boolean {
  const types = subscriptions.map(({ typeUrl }) => typeUrl)
  return types.includes(CLUSTER_TYPE) && types.includes(LISTENER_TYPE)
}

export function acknowledgementOf(
  node: ProxyNode,
  subscriptions: readonly Subscription[],
  { taken, clean, sinceMs, lastOffered }: Acknowledged,
  connectedSinceMs: number,
): Acknowledgement {
  const rejections = subscriptions.flatMap(({ typeUrl, rejection }) => {
    if (rejection === undefined) return []
    const { message, resources } = rejection
    return [{ typeUrl, message, resources: [...resources].sort(), objects: objectsOf(lastOffered, typeUrl, resources) }]
  })
  const isCurrent = clean !== undefined && clean === lastOffered
  return { node, connectedSinceMs, taken, clean, isCurrent, sinceMs, rejections }
}
