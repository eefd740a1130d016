// The filter chains of one workload port: which transport is let in, and what happens then (Istio's table of mode and protocol).
// Invariants: STRICT has no plaintext chain at all; a denied workload's chains all begin with the denial.

import { any } from '../../envoy/any.ts'
import type { FilterChain, FilterChainMatch, ListenerFilter, RouteConfiguration } from '../../envoy/generated/messages.gen.ts'
import { inboundClusterName, inboundRouteConfigName } from '../../envoy/names.ts'
import { isHttp, type Protocol } from '../../model/service.ts'
import type { ServerTls, WorkloadPort } from '../../model/workload.ts'
import type { InstanceView } from '../view/proxy-view.ts'
import { httpDenials, networkDenials } from './denials.ts'
import { metadataOf } from './metadata.ts'
import { httpManager, tcpProxy } from './terminal-filters.ts'
import { MESH_ALPN, serverTransport } from './tls.ts'

export const TLS_INSPECTOR: ListenerFilter = {
  name: 'envoy.filters.listener.tls_inspector',
  typedConfig: any('envoy.extensions.filters.listener.tls_inspector.v3.TlsInspector', {}),
}

interface Transport {
  readonly suffix: string
  readonly match: FilterChainMatch
  readonly terminatesTls: boolean
}

const MESH_TLS: Transport = {
  suffix: 'mtls',
  match: { transportProtocol: 'tls', applicationProtocols: MESH_ALPN },
  terminatesTls: true,
}
const ANY_TLS: Transport = { suffix: 'mtls', match: { transportProtocol: 'tls' }, terminatesTls: true }
/** The application's own TLS: not ours to open. */
const FOREIGN_TLS: Transport = { suffix: 'tls-passthrough', match: { transportProtocol: 'tls' }, terminatesTls: false }
const PLAINTEXT: Transport = { suffix: 'plaintext', match: { transportProtocol: 'raw_buffer' }, terminatesTls: false }
const UNREAD: Transport = { suffix: 'plaintext', match: {}, terminatesTls: false }

function transportsOf(mode: ServerTls['mode'], protocol: Protocol): readonly Transport[] {
  if (mode === 'strict') return [ANY_TLS]
  if (mode === 'disable') return [UNREAD]
  return isHttp(protocol) ? [MESH_TLS, PLAINTEXT] : [MESH_TLS, FOREIGN_TLS, PLAINTEXT]
}

export function needsInspection(mode: ServerTls['mode']): boolean {
  return mode !== 'disable'
}

/** @param where narrows every chain further (a redirected proxy's chains share one listener). */
export function inboundChains(view: InstanceView, port: WorkloadPort, where: FilterChainMatch = {}): readonly FilterChain[] {
  return chainsFor(view, port.tls, port.protocol, where, inboundClusterName(port.number), port)
}

/** For ports that the mesh knows nothing about: bytes are passed on to where they were sent. */
export function passthroughChains(view: InstanceView, cluster: string): readonly FilterChain[] {
  return chainsFor(view, view.workload.otherPortsTls, 'tcp', {}, cluster, undefined)
}

function chainsFor(
  view: InstanceView,
  tls: ServerTls,
  protocol: Protocol,
  where: FilterChainMatch,
  cluster: string,
  port: WorkloadPort | undefined,
): readonly FilterChain[] {
  return transportsOf(tls.mode, protocol).map(({ suffix, match, terminatesTls }): FilterChain => {
    const readsHttp = port !== undefined && isHttp(protocol)
    const filters = readsHttp ? [inboundManager(view, port)] : [...networkDenials(view.workload), tcpProxy(cluster, view.settings)]
    const isUnconditional = Object.keys(match).length + Object.keys(where).length === 0
    return {
      name: `${port === undefined ? 'inbound-catchall' : `inbound-${port.number}`}-${suffix}`,
      ...(isUnconditional ? {} : { filterChainMatch: { ...where, ...match } }),
      ...(terminatesTls ? { transportSocket: serverTransport(protocol, view.settings) } : {}),
      filters,
      ...(tls.because === undefined ? {} : { metadata: metadataOf({ origin: tls.because.object, field: tls.because.field }) }),
    }
  })
}

function inboundManager(
  view: InstanceView,
  port: WorkloadPort,
): FilterChain['filters'] extends readonly (infer F)[] | undefined ? F : never {
  return httpManager(
    {
      statPrefix: `inbound_${port.number}`,
      routeConfig: inboundRoutes(view, port),
      isStock: view.isStock,
      filters: httpDenials(view.workload),
      // The application learns who called; what earlier hops proved is kept (Istio).
      forwardClientCertDetails: 'APPEND_FORWARD',
      setCurrentClientCertDetails: { subject: true, uri: true, dns: true },
    },
    view.settings,
  )
}

function inboundRoutes({ workload }: InstanceView, port: WorkloadPort): RouteConfiguration {
  const metadata = metadataOf({ origin: workload.origin, field: 'spec.ports', services: port.services })
  const cluster = inboundClusterName(port.number)
  const route = { cluster, timeout: 0, maxStreamDuration: { maxStreamDuration: 0, grpcTimeoutHeaderMax: 0 } }
  const routes = [{ name: 'default', match: { prefix: '/' }, route, metadata }]
  return {
    name: inboundRouteConfigName(port.number),
    virtualHosts: [{ name: `inbound|http|${port.number}`, domains: ['*'], routes, metadata }],
    validateClusters: false,
  }
}
