// What all clusters have in common: limits and defaults of Istio.
import { any } from '../../envoy/any.ts'
import type { AnyMessage, CircuitBreakers, Cluster } from '../../envoy/generated/messages.gen.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import type { Protocol } from '../../model/service.ts'

export const UNLIMITED = 0xffff_ffff

export const CIRCUIT_BREAKERS: CircuitBreakers = {
  thresholds: [{ maxConnections: UNLIMITED, maxPendingRequests: UNLIMITED, maxRequests: UNLIMITED, maxRetries: UNLIMITED }],
}

/** No panic: when no endpoint is healthy, requests fail instead of going to unhealthy ones. */
export function common(settings: MeshSettings): Pick<Cluster, 'connectTimeout' | 'circuitBreakers' | 'commonLbConfig'> {
  return {
    connectTimeout: settings.connectTimeoutMs,
    circuitBreakers: CIRCUIT_BREAKERS,
    commonLbConfig: { healthyPanicThreshold: { value: 0 } },
  }
}

/** HTTP/1.1 is the default and needs no words; where nobody says which it is, the client does. */
export function protocolOptions(protocol: Protocol): Pick<Cluster, 'typedExtensionProtocolOptions'> {
  if (protocol !== 'http2' && protocol !== 'auto') return {}
  const options: AnyMessage = any(
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
    protocol === 'http2'
      ? { explicitHttpConfig: { http2ProtocolOptions: {} } }
      : { useDownstreamProtocolConfig: { httpProtocolOptions: {}, http2ProtocolOptions: {} } },
  )
  return { typedExtensionProtocolOptions: { 'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': options } }
}
