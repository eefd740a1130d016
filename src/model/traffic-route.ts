// What happens to requests for a host: a VirtualService with names resolved and mistakes taken out. Built by compile/virtual-services.ts,
// one value per host and owner; a service without one gets its default route in xds/generate.
// Invariant: `http` is in the user's order and ends at the first route that matches everything.
import type { StringMatchSpec } from '../base/string-matcher.ts'
import type { Origin } from './origin.ts'

export interface TrafficRoute {
  /** FQDN, or a wildcard `*.example.com`, or `*`. One owner per host. */
  readonly host: string
  readonly http: readonly HttpRoute[]
  readonly origin: Origin
}

export interface HttpRoute {
  readonly name: string
  readonly match: HttpMatch
  readonly destinations: readonly WeightedDestination[]
  /** `spec.http[0].match[1]`. */
  readonly field: string
}

/** All conditions must hold; an absent one holds. */
export interface HttpMatch {
  readonly path: StringMatchSpec | undefined
  /** Lower-case names; `:method`, `:authority` and `:scheme` too. */
  readonly headers: readonly HeaderMatch[]
  readonly queryParameters: readonly { readonly name: string; readonly value: StringMatchSpec }[]
  /** The port that the client called. */
  readonly port: number | undefined
}

export interface HeaderMatch {
  readonly name: string
  readonly value: StringMatchSpec
  readonly inverted: boolean
}

export interface WeightedDestination {
  readonly host: string
  /** Undefined: the port that the client called. */
  readonly port: number | undefined
  readonly subset: string | undefined
  /** Relative to the sum of all; at least 1. */
  readonly weight: number
}
