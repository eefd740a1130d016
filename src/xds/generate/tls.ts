// Mutual TLS between sidecars, both ends. Certificates are named, not configured ('default', 'ROOTCA'): our proxy keeps them fresh by
// itself, a stock Envoy takes the static secrets of its bootstrap.
// Invariant: a client's context always names the identities that it accepts; an empty list would accept the whole mesh.
import { LATEEN_HTTP1, LATEEN_HTTP2 } from '../../envoy/alpn.ts'
import { any } from '../../envoy/any.ts'
import type { CommonTlsContext, SubjectAltNameMatcher, TlsParameters, TransportSocket } from '../../envoy/generated/messages.gen.ts'
import { outboundSni, ROOT_SECRET, WORKLOAD_SECRET } from '../../envoy/names.ts'
import type { MeshSettings, TlsDefaults } from '../../model/mesh-settings.ts'
import type { MeshService, Protocol, ServicePort } from '../../model/service.ts'

const OCTETS = ['istio']
const HTTP1 = [LATEEN_HTTP1, 'istio-http/1.1', 'istio']

/** Our proxy offers of it what it is going to speak (envoy/alpn.ts). A stock Envoy offers all of it whatever that is, so where its client
 *  decides it says 'a sidecar' and no more. */
function offered(protocol: Protocol, isStock: boolean): readonly string[] {
  if (protocol === 'tls' || protocol === 'tcp') return OCTETS
  if (protocol === 'http') return HTTP1
  const http2 = isStock ? ['istio-h2', 'h2'] : [LATEEN_HTTP2, 'istio-h2', 'h2']
  if (protocol === 'http2') return [...http2, 'istio']
  return isStock ? OCTETS : [...http2, ...HTTP1]
}

/** Never 'istio-peer-exchange': who selects it must go on with Istio's own exchange of metadata. Where HTTP is read, never 'istio' either:
 *  it does not say which HTTP, and with nothing selected the first bytes say it. */
function accepted(reads: 'http' | 'octets', isStock: boolean): readonly string[] {
  if (reads === 'octets') return OCTETS
  return [...(isStock ? [] : [LATEEN_HTTP2]), 'h2', LATEEN_HTTP1, 'istio-http/1.1', 'http/1.1']
}

const VERSIONS = { '1.2': 'TLSv1_2', '1.3': 'TLSv1_3' } as const

/** Ceiling named because a client's default was 1.2 in older Envoys. */
export function tlsParameters({ min, cipherSuites, curves }: TlsDefaults): TlsParameters {
  return {
    tlsMinimumProtocolVersion: VERSIONS[min],
    tlsMaximumProtocolVersion: 'TLSv1_3',
    ...(cipherSuites.length === 0 ? {} : { cipherSuites }),
    ...(curves.length === 0 ? {} : { ecdhCurves: curves }),
  }
}

export const RAW_TRANSPORT: TransportSocket = {
  name: 'envoy.transport_sockets.raw_buffer',
  typedConfig: any('envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer', {}),
}

export interface MeshPeer {
  readonly service: MeshService
  readonly port: ServicePort
  readonly subset: string
  /** As SPIFFE URIs. */
  readonly identities: readonly string[]
  /** Undefined: the cluster's name, as a gateway that does not decrypt needs it. */
  readonly serverName: string | undefined
}

export function clientTransport(peer: MeshPeer, settings: MeshSettings, isStock: boolean): TransportSocket {
  const { service, port, subset, identities, serverName } = peer
  // Nobody has this identity (a service account has a name): without endpoints there is nobody to accept.
  const allowed = identities.length > 0 ? identities : [`spiffe://${settings.trustDomain}/ns/${service.namespace}/sa/`]
  const names = allowed
    .flatMap((uri) => underAliases(uri, settings))
    .map((uri): SubjectAltNameMatcher => ({ sanType: 'URI', matcher: { exact: uri } }))
  return {
    name: 'envoy.transport_sockets.tls',
    typedConfig: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      commonTlsContext: commonContext(offered(port.protocol, isStock), names, settings),
      sni: serverName ?? outboundSni(port.number, subset, service.hostname),
    }),
  }
}

/** The identity under every name that this mesh has or had. */
function underAliases(uri: string, { trustDomain, trustDomainAliases }: MeshSettings): readonly string[] {
  const own = `spiffe://${trustDomain}/`
  return uri.startsWith(own) ? [uri, ...trustDomainAliases.map((alias) => `spiffe://${alias}/${uri.slice(own.length)}`)] : [uri]
}

/** Clients must show a certificate of this mesh's trust domain; who may call what is a matter of policies. */
export function serverTransport(
  { reads, isStock }: { readonly reads: 'http' | 'octets'; readonly isStock: boolean },
  settings: MeshSettings,
): TransportSocket {
  const names = [settings.trustDomain, ...settings.trustDomainAliases].map(
    (domain): SubjectAltNameMatcher => ({ sanType: 'URI', matcher: { prefix: `spiffe://${domain}/` } }),
  )
  return {
    name: 'envoy.transport_sockets.tls',
    typedConfig: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      commonTlsContext: commonContext(accepted(reads, isStock), names, settings),
      requireClientCertificate: true,
    }),
  }
}

function commonContext(
  alpnProtocols: readonly string[],
  names: readonly SubjectAltNameMatcher[],
  settings: MeshSettings,
): CommonTlsContext {
  return {
    tlsParams: tlsParameters(settings.meshTls),
    alpnProtocols,
    tlsCertificateSdsSecretConfigs: [{ name: WORKLOAD_SECRET }],
    combinedValidationContext: {
      defaultValidationContext: { matchTypedSubjectAltNames: names },
      validationContextSdsSecretConfig: { name: ROOT_SECRET },
    },
  }
}
