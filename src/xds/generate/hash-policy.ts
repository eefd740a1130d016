// What of a request is hashed, so that equal requests reach the same endpoint: Envoy wants it on the route, although the destination's
// DestinationRule says it. Called for every route that leads to a destination.
import type { RouteAction_HashPolicy } from '../../envoy/generated/messages.gen.ts'
import type { DestinationPolicy } from '../../model/destination-policy.ts'
import type { Destination } from '../../model/http-action.ts'
import type { HashCookie, HashKey } from '../../model/load-balancing.ts'
import { policyFor } from '../../model/traffic-policy.ts'

export interface Hashing {
  /** The port that the client called. */
  readonly port: number
  readonly isStock: boolean
  readonly routedPolicies: ReadonlyMap<string, DestinationPolicy>
}

/** Of each destination, in order. */
export function hashPolicies(destinations: readonly Destination[], hashing: Hashing): readonly RouteAction_HashPolicy[] {
  if (!hashing.isStock || hashing.routedPolicies.size === 0) return []
  const found = destinations.flatMap((each) => hashPolicyOf(each, hashing) ?? [])
  const seen = new Set<string>()
  return found.filter((each) => !seen.has(JSON.stringify(each)) && seen.add(JSON.stringify(each)))
}

function hashPolicyOf({ host, port, subset }: Destination, hashing: Hashing): RouteAction_HashPolicy | undefined {
  const policy = hashing.routedPolicies.get(host)
  if (policy === undefined) return undefined
  const ofSubset = policy.subsets.find(({ name }) => name === subset)
  const key = policyFor(policy.traffic, ofSubset?.traffic, port ?? hashing.port).balancing?.hash?.key
  return key === undefined ? undefined : hashPolicy(key)
}

function hashPolicy(key: HashKey): RouteAction_HashPolicy {
  switch (key.kind) {
    case 'header':
      return { header: { headerName: key.name } }
    case 'query-parameter':
      return { queryParameter: { name: key.name } }
    case 'source-address':
      return { connectionProperties: { sourceIp: true } }
    case 'cookie':
      return { cookie: cookie(key) }
  }
}

function cookie({ name, path, ttlMs, attributes }: HashCookie): NonNullable<RouteAction_HashPolicy['cookie']> {
  return {
    name,
    ...(ttlMs === undefined ? {} : { ttl: ttlMs }),
    ...(path === undefined ? {} : { path }),
    ...(attributes.length === 0 ? {} : { attributes }),
  }
}
