// How HTTP is spoken to a destination, in Envoy's words. Called by cluster-policy.ts.
// Invariant: what our own proxy does not do yet goes to stock Envoys only.
import { any } from '../../envoy/any.ts'
import type { Cluster, CoreHttpProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions } from '../../envoy/generated/messages.gen.ts'
import { isHttp, type Protocol } from '../../model/service.ts'
import type { ConnectionPool } from '../../model/traffic-policy.ts'

export function httpFields(pool: ConnectionPool, protocol: Protocol, isStock: boolean): Cluster {
  if (!isHttp(protocol)) return {}
  // Our own proxy speaks HTTP/1.1 to destinations, and would only warn.
  const httpVersion = isStock ? pool.httpVersion : undefined
  const isHttp2 = protocol === 'http2' || httpVersion === 'upgrade'
  const commonHttpProtocolOptions = commonOptions(pool, isStock)
  const hasCommon = Object.keys(commonHttpProtocolOptions).length > 0
  if (!hasCommon && !isHttp2 && httpVersion !== 'client') return {}
  const http2ProtocolOptions = isStock ? http2Options(pool) : {}
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

function commonOptions(pool: ConnectionPool, isStock: boolean): CoreHttpProtocolOptions {
  // What is said of connections of any kind holds for HTTP too (Istio).
  const idleTimeout = pool.httpIdleTimeoutMs ?? pool.tcpIdleTimeoutMs
  return {
    ...(idleTimeout === undefined ? {} : { idleTimeout }),
    ...(pool.maxRequestsPerConnection === undefined ? {} : { maxRequestsPerConnection: pool.maxRequestsPerConnection }),
    ...(isStock && pool.maxConnectionDurationMs !== undefined ? { maxConnectionDuration: pool.maxConnectionDurationMs } : {}),
  }
}

function http2Options({ maxConcurrentStreams, http2Keepalive }: ConnectionPool): Http2ProtocolOptions {
  return {
    ...(maxConcurrentStreams === undefined ? {} : { maxConcurrentStreams }),
    ...(http2Keepalive === undefined
      ? {}
      : { connectionKeepalive: { interval: http2Keepalive.intervalMs, timeout: http2Keepalive.timeoutMs } }),
  }
}
