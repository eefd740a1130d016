// The filter chains of one workload port: which transport is let in, and what happens then (Istio's table of mode and protocol).
// Invariants: STRICT has no plaintext chain at all; a denied workload's chains all begin with the denial.

import { MESH_ALPN, MESH_HTTP_ALPN, MESH_OCTETS_ALPN } from '../../envoy/alpn.ts'
import type { FilterChain, FilterChainMatch, RouteConfiguration, TransportSocket } from '../../envoy/generated/messages.gen.ts'
import { BLACK_HOLE_CLUSTER, inboundClusterName, inboundRouteConfigName } from '../../envoy/names.ts'
import { isHttp, type Protocol } from '../../model/service.ts'
import type { ServerTls, WorkloadPort } from '../../model/workload.ts'
import type { InstanceView } from '../view/proxy-view.ts'
import { httpDenials, networkDenials } from './denials.ts'
import { terminatingTransport } from './gateway-tls.ts'
import { SEEN_HTTP } from './listener-filters.ts'
import { metadataOf } from './metadata.ts'
import type { TcpOptions } from './tcp-options.ts'
import { httpManager, tcpProxy } from './terminal-filters.ts'
import { serverTransport } from './tls.ts'

interface Transport {
  readonly suffix: string
  readonly match: FilterChainMatch
  /** 'own': with certificates that are not the mesh's. */
  readonly terminatesTls: boolean | 'own'
  /** Undefined: as the port is declared. */
  readonly reads?: 'http' | 'octets'
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

/** Where the protocol is not declared: inside TLS the client's sidecar says what it saw, in plaintext the first bytes do. */
const MESH_HTTP: Transport = {
  suffix: 'mtls-http',
  match: { transportProtocol: 'tls', applicationProtocols: MESH_HTTP_ALPN },
  terminatesTls: true,
  reads: 'http',
}
const MESH_OCTETS: Transport = { ...MESH_TLS, match: { transportProtocol: 'tls', applicationProtocols: MESH_OCTETS_ALPN } }
const PLAINTEXT_HTTP: Transport = {
  suffix: 'plaintext-http',
  match: { ...PLAINTEXT.match, ...SEEN_HTTP },
  terminatesTls: false,
  reads: 'http',
}

function transportsOf(mode: ServerTls['mode'], protocol: Protocol): readonly Transport[] {
  if (protocol === 'auto') return detecting(mode)
  if (mode === 'strict') return [ANY_TLS]
  if (mode === 'disable') return [UNREAD]
  return isHttp(protocol) ? [MESH_TLS, PLAINTEXT] : [MESH_TLS, FOREIGN_TLS, PLAINTEXT]
}

function detecting(mode: ServerTls['mode']): readonly Transport[] {
  if (mode === 'strict') return [MESH_HTTP, ANY_TLS]
  if (mode === 'disable') return [PLAINTEXT_HTTP, FOREIGN_TLS, PLAINTEXT]
  return [MESH_HTTP, PLAINTEXT_HTTP, MESH_OCTETS, FOREIGN_TLS, PLAINTEXT]
}

/** Of the application's own certificates, as its Sidecar has them: beside the mesh's, and never beside plaintext. */
const OWN_TLS: Transport = { suffix: 'tls', match: { transportProtocol: 'tls' }, terminatesTls: 'own' }

function ownTransports(mode: ServerTls['mode']): readonly Transport[] {
  if (mode === 'strict') return [ANY_TLS]
  return mode === 'disable' ? [OWN_TLS] : [MESH_TLS, OWN_TLS]
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
  const transports = port?.ingress?.tls === undefined ? transportsOf(tls.mode, protocol) : ownTransports(tls.mode)
  const made = transports.flatMap(
    ({ suffix, match, terminatesTls, reads = isHttp(protocol) ? 'http' : 'octets' }): readonly FilterChain[] => {
      const { isStock, settings } = view
      const socket =
        terminatesTls === 'own' ? ownSocket(view, port) : terminatesTls ? serverTransport({ reads, isStock }, settings) : undefined
      if (terminatesTls !== false && socket === undefined) return []
      const filters =
        port !== undefined && reads === 'http'
          ? [inboundManager(view, port)]
          : [...networkDenials(view.workload), tcpProxy(cluster, view.settings, tcpLimits(view, port))]
      const isUnconditional = Object.keys(match).length + Object.keys(where).length === 0
      const chain: FilterChain = {
        name: `${port === undefined ? 'inbound-catchall' : `inbound-${port.number}`}-${suffix}`,
        ...(isUnconditional ? {} : { filterChainMatch: { ...where, ...match } }),
        ...(socket === undefined ? {} : { transportSocket: socket }),
        filters,
        ...(tls.because === undefined ? {} : { metadata: metadataOf({ origin: tls.because.object, field: tls.because.field }) }),
      }
      return [chain]
    },
  )
  return made.length > 0 ? made : [closed(view, where)]
}

/** How long connections may be silent, and how long they may last. */
function tcpLimits({ isStock }: InstanceView, port: WorkloadPort | undefined): TcpOptions {
  const { tcpIdleTimeoutMs, maxConnectionDurationMs } = port?.pool ?? {}
  return {
    ...(tcpIdleTimeoutMs === undefined ? {} : { idleTimeout: tcpIdleTimeoutMs }),
    ...(maxConnectionDurationMs === undefined || !isStock ? {} : { maxDownstreamConnectionDuration: maxConnectionDurationMs }),
  }
}

function ownSocket({ settings, isStock }: InstanceView, port: WorkloadPort | undefined): TransportSocket | undefined {
  const tls = port?.ingress?.tls
  if (port === undefined || tls === undefined || tls === 'unusable') return undefined
  return terminatingTransport(tls, { readsHttp: isHttp(port.protocol), settings, isStock })
}

/** Without a chain of its own, a captured port's connections would be taken for those of an unknown port, and let through. */
function closed({ settings }: InstanceView, where: FilterChainMatch): FilterChain {
  const match = Object.keys(where).length === 0 ? {} : { filterChainMatch: where }
  return { name: 'inbound-closed', ...match, filters: [tcpProxy(BLACK_HOLE_CLUSTER, settings)] }
}

function inboundManager(
  view: InstanceView,
  port: WorkloadPort,
): FilterChain['filters'] extends readonly (infer F)[] | undefined ? F : never {
  return httpManager(
    {
      statPrefix: `inbound_${port.number}`,
      routeConfig: inboundRoutes(view, port),
      filters: httpDenials(view.workload),
      // The application learns who called; what earlier hops proved is kept (Istio).
      forwardClientCertDetails: 'APPEND_FORWARD',
      setCurrentClientCertDetails: { subject: true, uri: true, dns: true },
    },
    view.settings,
  )
}

/** Said between sidecars, and not the application's business. Our own proxy takes them out by itself; a stock Envoy does not know them. */
const PEER_METADATA = ['x-envoy-peer-metadata', 'x-envoy-peer-metadata-id']

function inboundRoutes({ workload, isStock }: InstanceView, port: WorkloadPort): RouteConfiguration {
  const metadata = metadataOf({ origin: workload.origin, field: 'spec.ports', services: port.services })
  const cluster = inboundClusterName(port.number)
  const route = { cluster, timeout: 0, maxStreamDuration: { maxStreamDuration: 0, grpcTimeoutHeaderMax: 0 } }
  const routes = [{ name: 'default', match: { prefix: '/' }, route, metadata }]
  return {
    name: inboundRouteConfigName(port.number),
    virtualHosts: [{ name: `inbound|http|${port.number}`, domains: ['*'], routes, metadata }],
    validateClusters: false,
    ...(isStock ? { requestHeadersToRemove: PEER_METADATA } : {}),
  }
}
