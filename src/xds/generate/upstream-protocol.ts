// How HTTP is spoken to a destination, in Envoy's words. Called by cluster-policy.ts.
// Invariant: what our own proxy does not do yet goes to stock Envoys only.
import { any } from '../../envoy/any.ts'
import type { Cluster, CoreHttpProtocolOptions, Http2ProtocolOptions, HttpProtocolOptions } from '../../envoy/generated/messages.gen.ts'
import { mayBeHttp, type Protocol } from '../../model/service.ts'
import type { ConnectionPool } from '../../model/traffic-policy.ts'

/** What requests leave as; 'auto': as they came. A protocol that nobody declared is HTTP/1.1 behind a gateway (Istio). */
export function spokenTo(protocol: Protocol, { httpVersion }: ConnectionPool, isGateway = false): Protocol {
  if (protocol === 'auto') return isGateway ? 'http' : 'auto'
  if (protocol !== 'http' && protocol !== 'http2') return protocol
  return httpVersion === 'client' ? 'auto' : httpVersion === 'upgrade' ? 'http2' : protocol
}

/** @param spoken to the destination. */
export function httpFields(pool: ConnectionPool, spoken: Protocol, isStock: boolean): Cluster {
  if (!mayBeHttp(spoken)) return {}
  const commonHttpProtocolOptions = commonOptions(pool, isStock)
  const hasCommon = Object.keys(commonHttpProtocolOptions).length > 0
  if (!hasCommon && spoken === 'http') return {}
  const http2ProtocolOptions = http2Options(pool)
  const version: HttpProtocolOptions =
    spoken === 'auto'
      ? { useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions } }
      : { explicitHttpConfig: spoken === 'http2' ? { http2ProtocolOptions } : { httpProtocolOptions: {} } }
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
