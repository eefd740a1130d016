// Where connections go whose bytes are not read as HTTP: by the server name in the TLS hello, by address and by port. Built by
// compile/l4-routes.ts; xds/generate makes filter chains of it.
import type { ClientMatch } from './client-match.ts'
import type { WeightedDestination } from './http-action.ts'
import type { Origin } from './origin.ts'

export interface L4Route {
  /** Of `tls` routes, in lower case, `*.example.com` too; empty: a `tcp` route, which takes every connection. */
  readonly serverNames: readonly string[]
  /** Addresses and ranges that the client may have called; empty: any. */
  readonly destinationSubnets: readonly string[]
  readonly port: number | undefined
  readonly client: ClientMatch | undefined
  /** At least one. */
  readonly destinations: readonly WeightedDestination[]
  readonly origin: Origin
  /** `spec.tcp[0].match[1]`. */
  readonly field: string
}
