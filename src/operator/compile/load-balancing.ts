// A DestinationRule's loadBalancer block in the words of the mesh. Pure reading of one block; called by traffic-policy.ts.
// Invariant: what Envoy would refuse (a ring beyond its limit) never gets past here.
import type {
  BackendUtilization,
  ConsistentHashLB,
  HTTPCookie,
  LoadBalancerSettings,
  LocalityLoadBalancerSetting,
  ZoneAwareLoadBalancerSetting,
} from '../../api/generated/destination-rule.gen.ts'
import type {
  Algorithm,
  Balancing,
  ConsistentHash,
  HashCookie,
  HashKey,
  HashTable,
  LocalityPreference,
  Utilization,
  Warmup,
} from '../../model/load-balancing.ts'
import { defined, durationOf, filled, positive } from './set-fields.ts'

const ALGORITHMS: Readonly<Record<string, Algorithm>> = {
  LEAST_CONN: 'least-request',
  LEAST_REQUEST: 'least-request',
  ROUND_ROBIN: 'round-robin',
  RANDOM: 'random',
  PASSTHROUGH: 'passthrough',
}

/** Undefined: not said. A block of other settings takes the parent's place with the default.
 *  @param capture without a redirect there is no original destination to pass through to. */
export function balancingOf(settings: LoadBalancerSettings | undefined, capture: 'bind' | 'redirect'): Balancing | undefined {
  if (settings === undefined) return undefined
  const { simple = '', consistentHash, backendUtilization, localityLbSetting, zoneAwareLbSetting } = settings
  const algorithm = ALGORITHMS[simple] ?? 'least-request'
  return {
    algorithm: algorithm === 'passthrough' && capture === 'bind' ? 'least-request' : algorithm,
    ...defined({
      hash: consistentHash === undefined ? undefined : hashOf(consistentHash),
      utilization: backendUtilization === undefined ? undefined : utilizationOf(backendUtilization),
      warmup: warmupOf(settings),
      locality: localityOf(localityLbSetting, zoneAwareLbSetting),
    }),
  }
}

function hashOf(written: ConsistentHashLB): ConsistentHash {
  return { key: hashKeyOf(written), table: hashTableOf(written) }
}

function hashKeyOf({ httpHeaderName, httpCookie, useSourceIp, httpQueryParameterName }: ConsistentHashLB): HashKey | undefined {
  if (httpCookie !== undefined) return cookieOf(httpCookie)
  if (useSourceIp === true) return { kind: 'source-address' }
  const header = filled(httpHeaderName)
  if (header !== undefined) return { kind: 'header', name: header }
  const parameter = filled(httpQueryParameterName)
  return parameter === undefined ? undefined : { kind: 'query-parameter', name: parameter }
}

function cookieOf({ name, path, ttl, attributes = [] }: HTTPCookie): HashCookie {
  return {
    kind: 'cookie',
    name,
    ...defined({ path: filled(path), ttlMs: durationOf(ttl, 0) }),
    attributes: attributes.map((each) => ({ name: each.name, value: each.value ?? '' })),
  }
}

const DEFAULT_RING_SIZE = 1024
/** Envoy refuses a cluster beyond it. */
const MAX_RING_SIZE = 8_388_608

function hashTableOf({ maglev, ringHash, minimumRingSize }: ConsistentHashLB): HashTable {
  if (maglev !== undefined) return { kind: 'maglev', ...defined({ size: positive(maglev.tableSize) }) }
  const size = positive(ringHash?.minimumRingSize ?? minimumRingSize) ?? DEFAULT_RING_SIZE
  return { kind: 'ring', minimumSize: Math.min(size, MAX_RING_SIZE) }
}

const DEFAULT_WARMUP = { minimumPercent: 10, aggression: 1 }

function warmupOf({ warmup, warmupDurationSecs }: LoadBalancerSettings): Warmup | undefined {
  const durationMs = durationOf(warmup?.duration ?? warmupDurationSecs)
  if (durationMs === undefined) return undefined
  return { ...DEFAULT_WARMUP, durationMs, ...defined({ minimumPercent: warmup?.minimumPercent, aggression: warmup?.aggression }) }
}

function utilizationOf(written: BackendUtilization): Utilization {
  return defined({
    errorPenaltyPercent: positive(written.errorUtilizationPenaltyPercent),
    expirationMs: durationOf(written.weightExpirationPeriod, 0),
    stabilizationMs: durationOf(written.weightStabilizationPeriod, 0),
    updateMs: durationOf(written.weightUpdatePeriod, 0),
  })
}

/** Validation refuses both at once. */
function localityOf(
  near: LocalityLoadBalancerSetting | undefined,
  zones: ZoneAwareLoadBalancerSetting | undefined,
): LocalityPreference | undefined {
  const written = near ?? zones
  if (written === undefined) return undefined
  const { enabled = true, failover = [], failoverPriority = [] } = written
  return {
    kind: enabled ? (near === undefined ? 'zones' : 'near') : 'off',
    distribute: (near?.distribute ?? []).map(({ from = '', to = {} }) => ({ from, to })),
    failover: failover.map(({ from = '', to = '' }) => ({ from, to })),
    failoverPriority,
    ...defined({ minClusterSize: near === undefined ? zones?.minClusterSize : undefined }),
  }
}
