// A traffic policy as fields of a cluster: limits, keep-alive, balancing, outlier detection, HTTP options. Called by outbound-clusters.ts.
// Invariant: what our own proxy does not do is sent to stock Envoys only: it would refuse the cluster, and its users have a Finding.
import type {
  CircuitBreakers_Thresholds,
  Cluster,
  Cluster_CommonLbConfig,
  OutlierDetection as EnvoyOutlierDetection,
} from '../../envoy/generated/messages.gen.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { Protocol } from '../../model/service.ts'
import type { ConnectionPool, EffectivePolicy, OutlierDetection } from '../../model/traffic-policy.ts'
import { balancingFields, localityFields } from './cluster-balancing.ts'
import { common, UNLIMITED } from './cluster-parts.ts'
import { httpFields } from './upstream-protocol.ts'

export interface PolicyContext {
  readonly settings: MeshSettings
  readonly isStock: boolean
  /** What is spoken to it. */
  readonly protocol: Protocol
  /** The client's own address choice (headless): the cluster has nothing to balance. */
  readonly isPassthrough: boolean
}

export function policyFields(policy: EffectivePolicy, context: PolicyContext): Cluster {
  const { pool = {}, balancing, outliers } = policy
  const { settings, isStock, isPassthrough, protocol } = context
  const isBalanced = !isPassthrough && balancing?.algorithm !== 'passthrough'
  const commonLbConfig: Cluster_CommonLbConfig = {
    // Our own proxy ejects nobody, so that too few healthy endpoints are no reason to call the others.
    healthyPanicThreshold: { value: isStock ? (outliers?.minHealthPercent ?? 0) : 0 },
    ...(isBalanced ? localityFields(balancing, outliers !== undefined, isStock) : {}),
  }
  return {
    ...common(settings),
    commonLbConfig,
    ...(pool.connectTimeoutMs === undefined ? {} : { connectTimeout: pool.connectTimeoutMs }),
    circuitBreakers: { thresholds: [thresholds(policy, isStock)] },
    ...(pool.keepalive === undefined ? {} : keepaliveFields(pool.keepalive)),
    ...(isBalanced ? balancingFields(balancing, isStock) : {}),
    ...(outliers === undefined || !isStock ? {} : { outlierDetection: outlierDetection(outliers) }),
    ...httpFields(pool, protocol, isStock),
  }
}

function thresholds({ pool = {}, retryBudget }: EffectivePolicy, isStock: boolean): CircuitBreakers_Thresholds {
  return {
    maxConnections: pool.maxConnections ?? UNLIMITED,
    maxPendingRequests: pool.maxPendingRequests ?? UNLIMITED,
    maxRequests: pool.maxRequests ?? UNLIMITED,
    maxRetries: pool.maxRetries ?? UNLIMITED,
    ...(retryBudget === undefined || !isStock
      ? {}
      : { retryBudget: { budgetPercent: { value: retryBudget.percent }, minRetryConcurrency: retryBudget.minimum } }),
  }
}

function keepaliveFields({ probes, timeSeconds, intervalSeconds }: NonNullable<ConnectionPool['keepalive']>): Cluster {
  const tcpKeepalive = {
    ...(probes === undefined ? {} : { keepaliveProbes: probes }),
    ...(timeSeconds === undefined ? {} : { keepaliveTime: timeSeconds }),
    ...(intervalSeconds === undefined ? {} : { keepaliveInterval: intervalSeconds }),
  }
  return { upstreamConnectionOptions: { tcpKeepalive } }
}

/** Istio: a detector that is set is enforced always, success rates never. */
function outlierDetection(outliers: OutlierDetection): EnvoyOutlierDetection {
  const { consecutive5xx, consecutiveGatewayErrors, consecutiveLocalErrors, intervalMs, baseEjectionMs, maxEjectionPercent } = outliers
  return {
    ...(consecutive5xx === undefined ? {} : { consecutive5xx, enforcingConsecutive5xx: consecutive5xx > 0 ? 100 : 0 }),
    ...(consecutiveGatewayErrors === undefined
      ? {}
      : {
          consecutiveGatewayFailure: consecutiveGatewayErrors,
          enforcingConsecutiveGatewayFailure: consecutiveGatewayErrors > 0 ? 100 : 0,
        }),
    ...(outliers.splitsLocalErrors ? { splitExternalLocalOriginErrors: true, enforcingLocalOriginSuccessRate: 0 } : {}),
    ...(consecutiveLocalErrors === undefined
      ? {}
      : {
          consecutiveLocalOriginFailure: consecutiveLocalErrors,
          enforcingConsecutiveLocalOriginFailure: consecutiveLocalErrors > 0 ? 100 : 0,
        }),
    ...(intervalMs === undefined ? {} : { interval: intervalMs }),
    ...(baseEjectionMs === undefined ? {} : { baseEjectionTime: baseEjectionMs }),
    ...(maxEjectionPercent === undefined ? {} : { maxEjectionPercent }),
    enforcingSuccessRate: 0,
  }
}
