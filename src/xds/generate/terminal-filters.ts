// What stands at the end of a filter chain: an HTTP connection manager or a TCP proxy, with Istio's defaults.
import { any } from '../../envoy/any.ts'
import type { Filter, HttpConnectionManager, HttpFilter, TcpProxy } from '../../envoy/generated/messages.gen.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { accessLogs } from './access-log.ts'
import type { TcpOptions } from './tcp-options.ts'

const ROUTER: HttpFilter = { name: 'envoy.filters.http.router', typedConfig: any('envoy.extensions.filters.http.router.v3.Router', {}) }

/** Routes say what these do, and only to a stock Envoy; ours has neither yet. Order as in Istio. */
export function routeFilters(isStock: boolean): readonly HttpFilter[] {
  return isStock ? [FAULT, CORS] : []
}

const FAULT: HttpFilter = { name: 'envoy.filters.http.fault', typedConfig: any('envoy.extensions.filters.http.fault.v3.HTTPFault', {}) }
const CORS: HttpFilter = { name: 'envoy.filters.http.cors', typedConfig: any('envoy.extensions.filters.http.cors.v3.Cors', {}) }

/** Only what differs between managers; `filters` come before the router. */
export type ManagerParts = Pick<
  HttpConnectionManager,
  'statPrefix' | 'rds' | 'routeConfig' | 'useRemoteAddress' | 'forwardClientCertDetails' | 'setCurrentClientCertDetails'
> & {
  readonly filters?: readonly HttpFilter[]
  /** Clients may send CONNECT. No route takes it: our proxy routes what is inside, a stock Envoy answers 404. */
  readonly acceptsConnect?: boolean
}

/** What is authorized must be what is routed. */
function pathNormalization({ pathNormalization: form }: MeshSettings): Partial<HttpConnectionManager> {
  if (form === 'none') return { normalizePath: false }
  const isDecoded = form === 'decode-and-merge-slashes'
  return {
    normalizePath: true,
    ...(isDecoded || form === 'merge-slashes' ? { mergeSlashes: true } : {}),
    ...(isDecoded ? { pathWithEscapedSlashesAction: 'UNESCAPE_AND_FORWARD' } : {}),
  }
}

export function httpManager({ filters = [], acceptsConnect = false, ...parts }: ManagerParts, settings: MeshSettings): Filter {
  const logs = accessLogs(settings)
  return {
    name: 'envoy.filters.network.http_connection_manager',
    typedConfig: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
      ...parts,
      httpFilters: [...filters, ROUTER],
      ...(logs.length === 0 ? {} : { accessLog: logs }),
      // The sidecar is not the edge: what stands in x-forwarded-for is the application's and the gateway's business.
      useRemoteAddress: parts.useRemoteAddress ?? false,
      // The application's own header passes; the sidecar is not a server that a client should see.
      serverHeaderTransformation: 'PASS_THROUGH',
      generateRequestId: true,
      // WebSocket over HTTP/2 (RFC 8441), as the sidecar in front of it may have made of it; upgradeConfigs say for what.
      http2ProtocolOptions: { allowConnect: true },
      upgradeConfigs: [{ upgradeType: 'websocket' }, ...(acceptsConnect ? [{ upgradeType: 'CONNECT' }] : [])],
      ...pathNormalization(settings),
      streamIdleTimeout: 0,
    }),
  }
}

export function tcpProxy(cluster: string, settings: MeshSettings, options: TcpOptions = {}): Filter {
  return tcpFilter({ statPrefix: cluster, cluster, ...options }, settings)
}

export function weightedTcpProxy(
  statPrefix: string,
  clusters: readonly { readonly name: string; readonly weight: number }[],
  settings: MeshSettings,
  options: TcpOptions = {},
): Filter {
  return tcpFilter({ statPrefix, weightedClusters: { clusters }, ...options }, settings)
}

function tcpFilter(parts: TcpProxy, settings: MeshSettings): Filter {
  const logs = accessLogs(settings)
  return {
    name: 'envoy.filters.network.tcp_proxy',
    typedConfig: any('envoy.extensions.filters.network.tcp_proxy.v3.TcpProxy', {
      ...parts,
      ...(logs.length === 0 ? {} : { accessLog: logs }),
    }),
  }
}
