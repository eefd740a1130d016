// What is done with a request that an http route has matched. Built by compile/http-action.ts, written as Envoy's routes by xds/generate.
// Invariant: everything in here is something that every proxy takes; what a user got wrong became 'unavailable' and a Finding.
import type { StringMatchSpec } from '../base/string-matcher.ts'

export type HttpAction = Forward | Redirect | DirectResponse | Unavailable

export interface Forward {
  readonly kind: 'forward'
  /** At least one. */
  readonly destinations: readonly WeightedDestination[]
  /** Retries included; undefined: none. */
  readonly timeoutMs: number | undefined
  /** Undefined: the mesh's default. */
  readonly retries: Retries | undefined
  readonly path: PathRewrite | undefined
  readonly authority: string | undefined
  /** The three that follow are known to stock proxies only. */
  readonly mirrors: readonly Mirror[]
  readonly fault: Fault | undefined
  readonly cors: Cors | undefined
}

export interface Destination {
  readonly host: string
  /** Undefined: the port that the client called. */
  readonly port: number | undefined
  readonly subset: string | undefined
}

export interface WeightedDestination extends Destination {
  /** Relative to the sum of all; at least 1. */
  readonly weight: number
  readonly headers?: HeaderChanges
  /** Instead of the client's Host, for this destination alone. */
  readonly authority?: string
}

export type PathRewrite =
  | { readonly kind: 'matched'; readonly value: string }
  | { readonly kind: 'regex'; readonly pattern: string; readonly substitution: string }

export interface Retries {
  /** After the first; 0: never. */
  readonly attempts: number
  /** Envoy's conditions. */
  readonly on: readonly string[]
  readonly statusCodes: readonly number[]
  readonly perTryTimeoutMs: number | undefined
  readonly backoffMs: number | undefined
  readonly avoidsPreviousHosts: boolean
  /** Known to stock proxies only. */
  readonly otherLocalities: boolean
}

/** Istio's default: what was surely not processed, twice more, on other hosts. */
export const DEFAULT_RETRIES: Retries = {
  attempts: 2,
  on: ['connect-failure', 'refused-stream', 'unavailable', 'cancelled', 'retriable-status-codes'],
  statusCodes: [],
  perTryTimeoutMs: undefined,
  backoffMs: undefined,
  avoidsPreviousHosts: true,
  otherLocalities: false,
}

export interface Redirect {
  readonly kind: 'redirect'
  readonly status: 301 | 302 | 303 | 307 | 308
  readonly scheme: string | undefined
  readonly authority: string | undefined
  /** 'called': the port that the client called. */
  readonly port: number | 'called' | undefined
  readonly path: string | undefined
  readonly prefixRewrite: string | undefined
}

export interface DirectResponse {
  readonly kind: 'direct-response'
  readonly status: number
  readonly body: { readonly text: string } | { readonly base64: string } | undefined
}

/** Answered 501: the place is kept, so that its requests do not fall through to a route that was not meant for them. */
export interface Unavailable {
  readonly kind: 'unavailable'
}

export interface HeaderChanges {
  readonly request: HeaderOperations
  readonly response: HeaderOperations
}

export interface HeaderOperations {
  /** In the order in which they are done. */
  readonly write: readonly { readonly name: string; readonly value: string; readonly append: boolean }[]
  readonly remove: readonly string[]
}

export interface Mirror {
  readonly destination: Destination
  readonly perMillion: number
}

export interface Fault {
  readonly delay: { readonly forMs: number; readonly perMillion: number } | undefined
  readonly abort:
    | { readonly httpStatus: number | undefined; readonly grpcStatus: number | undefined; readonly perMillion: number }
    | undefined
}

export interface Cors {
  readonly origins: readonly Exclude<StringMatchSpec, { readonly kind: 'present' }>[]
  readonly methods: string
  readonly headers: string
  readonly exposedHeaders: string
  readonly maxAgeSeconds: number | undefined
  readonly credentials: boolean | undefined
  readonly forwardsUnmatchedPreflights: boolean | undefined
}
