// What happens to requests for a host: a VirtualService with names resolved and mistakes taken out. Built by compile/virtual-services.ts,
// one value per host and owner; a service without one gets its default route in xds/generate.
// Invariant: `http` is in the user's order and ends at the first route that matches everything.
import type { StringMatchSpec } from '../base/string-matcher.ts'
import type { ClientMatch } from './client-match.ts'
import type { HeaderChanges, HttpAction } from './http-action.ts'
import type { L4Route } from './l4-route.ts'
import type { Origin } from './origin.ts'
import type { Visibility } from './visibility.ts'

export interface TrafficRoute {
  /** FQDN, or a wildcard `*.example.com`, or `*`. */
  readonly host: string
  readonly http: readonly HttpRoute[]
  /** For ports that are not HTTP, in the user's order: first those that ask for a server name, then the others. */
  readonly l4: readonly L4Route[]
  readonly visibility: Visibility
  readonly origin: Origin
}

export interface HttpRoute {
  readonly name: string
  readonly match: HttpMatch
  readonly action: HttpAction
  readonly headers: HeaderChanges | undefined
  /** Statistics of its own under this name; only a stock Envoy keeps them. */
  readonly statPrefix: string | undefined
  /** The object that says so: of a delegated route the delegate. */
  readonly origin: Origin
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
  readonly client: ClientMatch | undefined
}

export interface HeaderMatch {
  readonly name: string
  readonly value: StringMatchSpec
  readonly inverted: boolean
}

/** Istio's catch-all: prefix '/' or regex '.*' and no other condition. */
export function matchesEverything({ path, headers, queryParameters, port, client }: HttpMatch): boolean {
  if (headers.length > 0 || queryParameters.length > 0 || port !== undefined || client !== undefined) return false
  if (path === undefined || path.kind === 'present') return true
  return (path.kind === 'prefix' && path.value === '/') || (path.kind === 'regex' && path.value === '.*')
}
