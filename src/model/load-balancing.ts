// How an endpoint of a destination is chosen, as a DestinationRule's loadBalancer block says. Compiled by compile/load-balancing.ts.
// Invariant: a block is whole: what it does not say has the mesh's default, never its parent's (Istio's rule).

export interface Balancing {
  readonly algorithm: Algorithm
  /** Takes the algorithm's place. */
  readonly hash?: ConsistentHash
  /** Takes the algorithm's place: weights by what endpoints report of their load. */
  readonly utilization?: Utilization
  readonly warmup?: Warmup
  /** Undefined: the mesh's default, which is `near`. */
  readonly locality?: LocalityPreference
}

/** 'passthrough': to the address that the client called. */
export type Algorithm = 'least-request' | 'round-robin' | 'random' | 'passthrough'

export interface ConsistentHash {
  /** Undefined: nothing that a request carries is said, so any endpoint will do. */
  readonly key: HashKey | undefined
  readonly table: HashTable
}

export type HashKey =
  | { readonly kind: 'header'; readonly name: string }
  | { readonly kind: 'query-parameter'; readonly name: string }
  | { readonly kind: 'source-address' }
  | HashCookie

export interface HashCookie {
  readonly kind: 'cookie'
  readonly name: string
  readonly path?: string
  /** The proxy sets the cookie where there is none; 0: for the session. Undefined: it never does. */
  readonly ttlMs?: number
  readonly attributes: readonly { readonly name: string; readonly value: string }[]
}

export type HashTable =
  | { readonly kind: 'ring'; readonly minimumSize: number }
  /** Undefined: Envoy's default, 65537. */
  | { readonly kind: 'maglev'; readonly size?: number }

/** New endpoints get more and more of their share. */
export interface Warmup {
  readonly durationMs: number
  readonly minimumPercent: number
  readonly aggression: number
}

export interface Utilization {
  readonly errorPenaltyPercent?: number
  readonly expirationMs?: number
  readonly stabilizationMs?: number
  readonly updateMs?: number
}

/** 'near': endpoints nearer to the client first, the others when those fail; 'zones': within the client's region by Envoy's zone-aware
 *  routing, other regions when it fails. */
export interface LocalityPreference {
  readonly kind: 'off' | 'near' | 'zones'
  readonly distribute: readonly LocalityShares[]
  readonly failover: readonly RegionFailover[]
  /** Names of labels, or `name=value`: an endpoint that differs from the client in an early one comes later. */
  readonly failoverPriority: readonly string[]
  /** Of 'zones': with fewer endpoints the zone does not count. */
  readonly minClusterSize?: number
}

/** `region/zone/subzone`, a star or nothing for 'any'. */
export interface LocalityShares {
  readonly from: string
  /** In percent. */
  readonly to: Readonly<Record<string, number>>
}

export interface RegionFailover {
  readonly from: string
  readonly to: string
}

export const NEAR: LocalityPreference = { kind: 'near', distribute: [], failover: [], failoverPriority: [] }

/** What places endpoints by where the client is; undefined: nothing does. Without outlier detection nobody is ever seen to fail, so that
 *  there is nothing to fail over from (Istio). */
export function placementOf(policy: { readonly balancing?: Balancing; readonly outliers?: object }): LocalityPreference | undefined {
  const preference = policy.balancing?.locality ?? NEAR
  if (preference.kind === 'off') return undefined
  return preference.distribute.length > 0 || policy.outliers !== undefined ? preference : undefined
}
