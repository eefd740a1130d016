// TLS that a gateway ends for its clients. Certificates are named (`kubernetes://name`, asked for over ADS) or are files of the gateway;
// the private key never passes through here. Invariant: a server that asks clients for certificates names who signs them.
import { any } from '../../envoy/any.ts'
import type {
  CertificateValidationContext,
  CommonTlsContext,
  SdsSecretConfig,
  TlsParameters,
  TransportSocket,
} from '../../envoy/generated/messages.gen.ts'
import { authoritiesSecretName, credentialSecretName } from '../../envoy/names.ts'
import type { AuthoritiesRef, GatewayServer, PinnedClients, TerminatedTls, TlsVersions } from '../../model/gateway.ts'
import type { MeshSettings, TlsDefaults } from '../../model/mesh-settings.ts'
import { SECRETS_OVER_ADS } from './config-source.ts'
import { serverTransport, tlsParameters } from './tls.ts'

/** Undefined: TLS is not ended here. */
export function gatewayTransport(server: GatewayServer, settings: MeshSettings, isStock: boolean): TransportSocket | undefined {
  const { tls } = server
  if (tls?.mode === 'istio-mutual') return serverTransport({ reads: server.protocol === 'https' ? 'http' : 'octets', isStock }, settings)
  if (tls === undefined || !('certificates' in tls)) return undefined
  return terminatingTransport(tls, { readsHttp: server.protocol === 'https', settings, isStock })
}

/** Also of a sidecar's own TLS. Undefined: this proxy cannot check what is asked of clients, so nobody is let in. */
export function terminatingTransport(
  tls: TerminatedTls,
  { readsHttp, settings, isStock }: { readonly readsHttp: boolean; readonly settings: MeshSettings; readonly isStock: boolean },
): TransportSocket | undefined {
  if (tls.pinned !== undefined && !isStock) return undefined
  const alpn = readsHttp ? ['h2', 'http/1.1'] : []
  const commonTlsContext: CommonTlsContext = {
    tlsParams: parametersOf(tls.versions, settings.otherTls),
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

/** The server's own, else the mesh's. */
function parametersOf({ min, max, cipherSuites, curves }: TlsVersions, defaults: TlsDefaults): TlsParameters {
  const own = { min: min ?? defaults.min, cipherSuites: cipherSuites.length > 0 ? cipherSuites : defaults.cipherSuites }
  const parameters = tlsParameters({ ...own, curves: curves.length > 0 ? curves : defaults.curves })
  return max === '1.2' ? { ...parameters, tlsMinimumProtocolVersion: 'TLSv1_2', tlsMaximumProtocolVersion: 'TLSv1_2' } : parameters
}

function certificates({ certificates: all }: TerminatedTls): Partial<CommonTlsContext> {
  const secrets = all.flatMap((each) => (each.kind === 'secret' ? [overAds(credentialSecretName(each.name))] : []))
  const files = all.flatMap((each) =>
    each.kind === 'files' ? [{ certificateChain: { filename: each.chain }, privateKey: { filename: each.key } }] : [],
  )
  return secrets.length > 0 ? { tlsCertificateSdsSecretConfigs: secrets } : { tlsCertificates: files }
}

function validation({ authorities, subjectAltNames, pinned }: TerminatedTls): Partial<CommonTlsContext> {
  if (authorities === undefined) return {}
  const names = subjectAltNames.flatMap((exact) => [
    { sanType: 'URI' as const, matcher: { exact } },
    { sanType: 'DNS' as const, matcher: { exact } },
  ])
  const own: CertificateValidationContext = { ...(names.length === 0 ? {} : { matchTypedSubjectAltNames: names }), ...pins(pinned) }
  if (authorities.kind === 'file') return { validationContext: { ...own, trustedCa: { filename: authorities.path } } }
  return {
    combinedValidationContext: {
      defaultValidationContext: own,
      validationContextSdsSecretConfig: overAds(authoritiesSecretOf(authorities)),
    },
  }
}

/** Only the last certificate is looked up in the list: an authority without a list of its own is no reason to refuse everybody (Istio). */
function pins(pinned: PinnedClients | undefined): CertificateValidationContext {
  if (pinned === undefined) return {}
  const { keyHashes, certificateHashes, revocationPath } = pinned
  return {
    ...(keyHashes.length === 0 ? {} : { verifyCertificateSpki: keyHashes }),
    ...(certificateHashes.length === 0 ? {} : { verifyCertificateHash: certificateHashes }),
    ...(revocationPath === undefined ? {} : { crl: { filename: revocationPath }, onlyVerifyLeafCertCrl: true }),
  }
}

export function overAds(name: string): SdsSecretConfig {
  return { name, sdsConfig: SECRETS_OVER_ADS }
}

export function authoritiesSecretOf({ name, isSaid }: Extract<AuthoritiesRef, { readonly kind: 'secret' }>): string {
  return isSaid ? authoritiesSecretName(name) : credentialSecretName(name)
}
