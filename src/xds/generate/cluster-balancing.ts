// How a cluster balances, in Envoy's words. Called by cluster-policy.ts.
// Invariant: our own proxy is told what it does and no more: it would refuse the cluster. Hashing, warm-up, reported utilization and zones
// are for stock Envoys; shares of localities and priorities (endpoints.ts) are for both.
import { any } from '../../envoy/any.ts'
import type { Cluster, Cluster_CommonLbConfig, Cluster_SlowStartConfig } from '../../envoy/generated/messages.gen.ts'
import { type Balancing, type HashTable, type LocalityPreference, NEAR, type Utilization, type Warmup } from '../../model/load-balancing.ts'

const DEFAULT: Balancing = { algorithm: 'least-request' }

/** Not of a cluster whose client chose the address itself. */
export function balancingFields(balancing: Balancing | undefined, isStock: boolean): Cluster {
  const { algorithm, hash, utilization, warmup } = balancing ?? DEFAULT
  if (isStock && hash !== undefined) return hashing(hash.table)
  if (isStock && utilization !== undefined) return byUtilization(utilization)
  const slowStartConfig = isStock && warmup !== undefined ? slowStart(warmup) : undefined
  switch (algorithm) {
    case 'round-robin':
      return { lbPolicy: 'ROUND_ROBIN', ...(slowStartConfig === undefined ? {} : { roundRobinLbConfig: { slowStartConfig } }) }
    case 'least-request':
      return { lbPolicy: 'LEAST_REQUEST', ...(slowStartConfig === undefined ? {} : { leastRequestLbConfig: { slowStartConfig } }) }
    case 'random':
      return { lbPolicy: 'RANDOM' }
    case 'passthrough':
      return {}
  }
}

function hashing(table: HashTable): Cluster {
  if (table.kind === 'ring') return { lbPolicy: 'RING_HASH', ringHashLbConfig: { minimumRingSize: table.minimumSize } }
  return { lbPolicy: 'MAGLEV', ...(table.size === undefined ? {} : { maglevLbConfig: { tableSize: table.size } }) }
}

function byUtilization({ errorPenaltyPercent, expirationMs, stabilizationMs, updateMs }: Utilization): Cluster {
  const typedConfig = any('envoy.extensions.load_balancing_policies.client_side_weighted_round_robin.v3.ClientSideWeightedRoundRobin', {
    ...(errorPenaltyPercent === undefined ? {} : { errorUtilizationPenalty: errorPenaltyPercent / 100 }),
    ...(expirationMs === undefined ? {} : { weightExpirationPeriod: expirationMs }),
    ...(stabilizationMs === undefined ? {} : { blackoutPeriod: stabilizationMs }),
    ...(updateMs === undefined ? {} : { weightUpdatePeriod: updateMs }),
  })
  const name = 'envoy.load_balancing_policies.client_side_weighted_round_robin'
  return { loadBalancingPolicy: { policies: [{ typedExtensionConfig: { name, typedConfig } }] } }
}

function slowStart({ durationMs, minimumPercent, aggression }: Warmup): Cluster_SlowStartConfig {
  return {
    slowStartWindow: durationMs,
    // Envoy wants a key for every value that its runtime could override.
    aggression: { defaultValue: aggression, runtimeKey: 'upstream.slow_start.aggression' },
    minWeightPercent: { value: minimumPercent },
  }
}

type LocalityFields = Pick<Cluster_CommonLbConfig, 'localityWeightedLbConfig' | 'zoneAwareLbConfig'>

/** Weights of localities count only where this says so; elsewhere they would bend the algorithm.
 *  @param hasOutliers without outlier detection nothing ever fails over (Istio). */
export function localityFields(balancing: Balancing | undefined, hasOutliers: boolean, isStock: boolean): LocalityFields {
  const preference: LocalityPreference = balancing?.locality ?? NEAR
  // A policy of its own says everything itself.
  if (isStock && balancing?.utilization !== undefined && balancing.hash === undefined) return {}
  if (preference.kind === 'zones') {
    const { minClusterSize } = preference
    return isStock ? { zoneAwareLbConfig: minClusterSize === undefined ? {} : { minClusterSize } } : {}
  }
  if (preference.kind === 'off') return {}
  const failsOver = hasOutliers && preference.failover.length + preference.failoverPriority.length > 0
  return failsOver || preference.distribute.length > 0 ? { localityWeightedLbConfig: {} } : {}
}
