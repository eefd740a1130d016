// A traffic policy as fields of a cluster: limits, keep-alive, balancing, outlier detection, HTTP options. Called by outbound-clusters.ts.
// Invariant: what our own proxy does not do is sent to stock Envoys only: it would refuse the cluster, and its users have a Finding.
import { any } from '../../envoy/any.ts'
import type { Cluster, OutlierDetection as EnvoyOutlierDetection, HttpProtocolOptions } from '../../envoy/generated/messages.gen.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { isHttp, type Protocol } from '../../model/service.ts'
import type { ConnectionPool, OutlierDetection, PolicyBlocks } from '../../model/traffic-policy.ts'
import { common, UNLIMITED } from './cluster-parts.ts'

export interface PolicyContext {
  readonly settings: MeshSettings
  readonly isStock: boolean
  readonly protocol: Protocol
  /** The client's own address choice (headless): the cluster has nothing to balance. */
  readonly isPassthrough: boolean
}

export function policyFields(blocks: PolicyBlocks, context: PolicyContext): Cluster {
  const { pool = {}, balancing, outliers } = blocks
  const { settings, isStock, isPassthrough } = context
  return {
    ...common(settings),
    ...(pool.connectTimeoutMs === undefined ? {} : { connectTimeout: pool.connectTimeoutMs }),
    circuitBreakers: {
      thresholds: [
        {
          maxConnections: pool.maxConnections ?? UNLIMITED,
          maxPendingRequests: pool.maxPendingRequests ?? UNLIMITED,
          maxRequests: pool.maxRequests ?? UNLIMITED,
          maxRetries: pool.maxRetries ?? UNLIMITED,
        },
      ],
    },
    ...(pool.keepalive === undefined
      ? {}
      : {
          upstreamConnectionOptions: {
            tcpKeepalive: {
              ...(pool.keepalive.probes === undefined ? {} : { keepaliveProbes: pool.keepalive.probes }),
              ...(pool.keepalive.timeSeconds === undefined ? {} : { keepaliveTime: pool.keepalive.timeSeconds }),
              ...(pool.keepalive.intervalSeconds === undefined ? {} : { keepaliveInterval: pool.keepalive.intervalSeconds }),
            },
          },
        }),
    ...(isPassthrough || balancing === 'passthrough' ? {} : { lbPolicy: BALANCERS[balancing ?? 'least-request'] }),
    ...(outliers === undefined || !isStock ? {} : outlierFields(outliers)),
    ...httpFields(pool, context),
  }
}

const BALANCERS = { 'least-request': 'LEAST_REQUEST', 'round-robin': 'ROUND_ROBIN', random: 'RANDOM' } as const

/** Istio: a detector that is set is enforced always, success rates never. */
function outlierFields(outliers: OutlierDetection): Cluster {
  const { consecutive5xx, consecutiveGatewayErrors, consecutiveLocalErrors, intervalMs, baseEjectionMs, maxEjectionPercent } = outliers
  const outlierDetection: EnvoyOutlierDetection = {
    ...(consecutive5xx === undefined ? {} : { consecutive5xx, enforcingConsecutive5xx: consecutive5xx > 0 ? 100 : 0 }),
    ...(consecutiveGatewayErrors === undefined
      ? {}
      : {
          consecutiveGatewayFailure: consecutiveGatewayErrors,
          enforcingConsecutiveGatewayFailure: consecutiveGatewayErrors > 0 ? 100 : 0,
        }),
    ...(outliers.splitsLocalErrors ? { splitExternalLocalOriginErrors: true } : {}),
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
  return { outlierDetection, commonLbConfig: { healthyPanicThreshold: { value: outliers.minHealthPercent } } }
}

function httpFields(pool: ConnectionPool, { protocol, isStock }: PolicyContext): Cluster {
  if (!isHttp(protocol)) return {}
  // Our own proxy speaks HTTP/1.1 to destinations, and would only warn.
  const httpVersion = isStock ? pool.httpVersion : undefined
  const isHttp2 = protocol === 'http2' || httpVersion === 'upgrade'
  const commonHttpProtocolOptions = {
    ...(pool.httpIdleTimeoutMs === undefined ? {} : { idleTimeout: pool.httpIdleTimeoutMs }),
    ...(pool.maxRequestsPerConnection === undefined ? {} : { maxRequestsPerConnection: pool.maxRequestsPerConnection }),
  }
  const hasCommon = Object.keys(commonHttpProtocolOptions).length > 0
  if (!hasCommon && !isHttp2 && httpVersion !== 'client') return {}
  const http2ProtocolOptions = isStock && pool.maxConcurrentStreams !== undefined ? { maxConcurrentStreams: pool.maxConcurrentStreams } : {}
  const version: HttpProtocolOptions =
    httpVersion === 'client'
      ? { useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions } }
      : { explicitHttpConfig: isHttp2 ? { http2ProtocolOptions } : { httpProtocolOptions: {} } }
  const options = any('envoy.extensions.upstreams.http.v3.HttpProtocolOptions', {
    ...(hasCommon ? { commonHttpProtocolOptions } : {}),
    ...version,
  })
  return { typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options } }
}
