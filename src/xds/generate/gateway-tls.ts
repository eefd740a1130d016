// TLS that a gateway ends for its clients. Certificates are named (`kubernetes://name`) or are files of the gateway; the private key never
// passes through here. Invariant: a server that asks clients for certificates names who signs them.
import { any } from '../../envoy/any.ts'
import type { CertificateValidationContext, CommonTlsContext, TransportSocket } from '../../envoy/generated/messages.gen.ts'
import type { GatewayServer, GatewayTls } from '../../model/gateway.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { serverTransport } from './tls.ts'

const VERSIONS = { '1.2': 'TLSv1_2', '1.3': 'TLSv1_3' } as const

/** Undefined: TLS is not ended here. */
export function gatewayTransport(server: GatewayServer, settings: MeshSettings, isStock: boolean): TransportSocket | undefined {
  const { tls } = server
  if (tls?.mode === 'istio-mutual') return serverTransport(server.protocol === 'https' ? 'http' : 'tcp', settings)
  if (tls === undefined || !('certificates' in tls)) return undefined
  // Our own proxy does not speak HTTP/2 to clients at the edge yet.
  const alpn = server.protocol === 'https' ? (isStock ? ['h2', 'http/1.1'] : ['http/1.1']) : []
  const { min, max, cipherSuites } = tls.versions
  const commonTlsContext: CommonTlsContext = {
    tlsParams: {
      tlsMinimumProtocolVersion: VERSIONS[min],
      tlsMaximumProtocolVersion: VERSIONS[max],
      ...(cipherSuites.length === 0 ? {} : { cipherSuites }),
    },
    ...(alpn.length === 0 ? {} : { alpnProtocols: alpn }),
    ...certificates(tls),
    ...validation(tls),
  }
  return {
    name: 'envoy.transport_sockets.tls',
    typedConfig: any('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      commonTlsContext,
      requireClientCertificate: tls.mode === 'mutual',
    }),
  }
}

type Terminating = Extract<GatewayTls, { readonly mode: 'simple' | 'mutual' | 'optional-mutual' }>

function certificates({ certificates: all }: Terminating): Partial<CommonTlsContext> {
  const secrets = all.flatMap((each) => (each.kind === 'secret' ? [{ name: secretName(each.name) }] : []))
  const files = all.flatMap((each) =>
    each.kind === 'files' ? [{ certificateChain: { filename: each.chain }, privateKey: { filename: each.key } }] : [],
  )
  return secrets.length > 0 ? { tlsCertificateSdsSecretConfigs: secrets } : { tlsCertificates: files }
}

function validation({ authorities, subjectAltNames }: Terminating): Partial<CommonTlsContext> {
  if (authorities === undefined) return {}
  const names = subjectAltNames.flatMap((exact) => [
    { sanType: 'URI' as const, matcher: { exact } },
    { sanType: 'DNS' as const, matcher: { exact } },
  ])
  const own: CertificateValidationContext = names.length === 0 ? {} : { matchTypedSubjectAltNames: names }
  if (authorities.kind === 'file') return { validationContext: { ...own, trustedCa: { filename: authorities.path } } }
  return {
    combinedValidationContext: { defaultValidationContext: own, validationContextSdsSecretConfig: { name: secretName(authorities.name) } },
  }
}

/** Istio's form of a Kubernetes secret. */
export function secretName(name: string): string {
  return `kubernetes://${name}`
}
