// The DestinationRules of which routes and connections must say something, not only clusters: what is hashed, how long a connection may
// last or be silent, where a tunnel ends. A route may lead to any service of the scope, so generate finds them here by host.
// Invariant: most meshes have none, and then nothing is looked up or compared.
import { type DestinationPolicy, effectiveBlocks } from '../../model/destination-policy.ts'
import type { EffectivePolicy } from '../../model/traffic-policy.ts'
import type { ServiceView } from './proxy-view.ts'

export function routedPolicies(services: readonly ServiceView[], isStock: boolean): ReadonlyMap<string, DestinationPolicy> {
  return new Map(
    services.flatMap(({ service, policy }) => (policy !== undefined && isRouted(policy, isStock) ? [[service.hostname, policy]] : [])),
  )
}

const routed = { envoy: new WeakMap<DestinationPolicy, boolean>(), lateen: new WeakMap<DestinationPolicy, boolean>() }

function isRouted(policy: DestinationPolicy, isStock: boolean): boolean {
  const memory = routed[isStock ? 'envoy' : 'lateen']
  const known = memory.get(policy) ?? effectiveBlocks(policy).some((each) => concernsRoutes(each, isStock))
  memory.set(policy, known)
  return known
}

/** Our own proxy knows of silence alone. */
function concernsRoutes({ pool, balancing, tunnel }: EffectivePolicy, isStock: boolean): boolean {
  if (pool?.tcpIdleTimeoutMs !== undefined) return true
  return isStock && (pool?.maxConnectionDurationMs !== undefined || balancing?.hash?.key !== undefined || tunnel !== undefined)
}
