// What a stock Envoy is sent and does, and Lateen's own proxies do not do yet. Read by in-force.ts; the generator sends these to clients
// whose scope says `isStock`, and to no other.
// A line covers all below it, and says what Lateen's proxies do meanwhile. When they honour a field (envoy/honoured.ts), its line moves to
// `fieldsInForce`. Invariant: what restricts access says how it fails closed, and never 'as if it were not set'.
import type { KindName } from './kinds.ts'

/** Field below spec, as in `fieldsInForce` -> what Lateen's own proxies do meanwhile. */
export type StockFields = Readonly<Record<string, string>>

/** Harmless to leave out. */
const AS_IF_UNSET = 'they act as if it were not set'

function unsetAt(...fields: readonly string[]): StockFields {
  return Object.fromEntries(fields.map((field) => [field, AS_IF_UNSET]))
}

export const stockFields: { readonly [Kind in KindName]?: StockFields } = {
  VirtualService: {
    ...unsetAt('http[].match[].statPrefix', 'http[].retries.retryRemoteLocalities'),
    ...unsetAt('http[].mirror', 'http[].mirrors', 'http[].mirrorPercentage', 'http[].mirrorPercent', 'http[].mirror_percent'),
    ...unsetAt('http[].fault', 'http[].corsPolicy'),
  },
  MeshConfig: {
    ...unsetAt('h2UpgradePolicy', 'tcpKeepalive', 'defaultHttpRetryPolicy.retryRemoteLocalities'),
  },
}
