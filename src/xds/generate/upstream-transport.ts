// How a cluster's connections are protected: as a DestinationRule says, else mutual TLS of the mesh wherever an endpoint takes it
// (automatic mTLS), else as the client's bytes are. Called by outbound-clusters.ts.
// Invariant: a rule's TLS never falls back to plaintext, whatever the endpoint.
import { any } from '../../envoy/any.ts'
import type {
  CertificateValidationContext,
  Cluster,
  CommonTlsContext,
  SdsSecretConfig,
  TransportSocket,
} from '../../envoy/generated/messages.gen.ts'
import { credentialSecretName } from '../../envoy/names.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { isHttp, type ServicePort } from '../../model/service.ts'
import type { ClientTls } from '../../model/traffic-policy.ts'
import type { ServiceView } from '../view/proxy-view.ts'
import { overAds } from './gateway-tls.ts'
import { clientTransport, RAW_TRANSPORT, tlsParameters } from './tls.ts'

export interface TransportContext {
  readonly view: ServiceView
  readonly port: ServicePort
  /** Empty: the whole service. */
  readonly subset: string
  readonly tls: ClientTls | undefined
  readonly settings: MeshSettings
  readonly isStock: boolean
  readonly isPassthrough: boolean
  /** Where a rule's secret comes from: gateways are given it, a stock Envoy that the rule selects may have it in its bootstrap. */
  readonly secretsFrom: 'control plane' | 'bootstrap' | undefined
  readonly proxyProtocol: 'v1' | 'v2' | undefined
}

export function transportFields(context: TransportContext): Cluster {
  const fields = plainFields(context)
  const { proxyProtocol, isStock } = context
  return proxyProtocol === undefined || !isStock ? fields : withProxyProtocol(fields, proxyProtocol)
}

/** The header goes out before anything else, so it is around whatever protects the connection. */
function withProxyProtocol(fields: Cluster, version: 'v1' | 'v2'): Cluster {
  const around = (transportSocket: TransportSocket): TransportSocket => ({
    name: 'envoy.transport_sockets.upstream_proxy_protocol',
    typedConfig: any('envoy.extensions.transport_sockets.proxy_protocol.v3.ProxyProtocolUpstreamTransport', {
      config: { version: version === 'v2' ? 'V2' : 'V1' },
      transportSocket,
    }),
  })
  const { transportSocketMatches } = fields
  if (transportSocketMatches === undefined) return { ...fields, transportSocket: around(fields.transportSocket ?? RAW_TRANSPORT) }
  return {
    ...fields,
    transportSocketMatches: transportSocketMatches.map((match) => ({
      ...match,
      transportSocket: around(match.transportSocket ?? RAW_TRANSPORT),
    })),
  }
}

function plainFields(context: TransportContext): Cluster {
  const { tls, view, settings, isPassthrough } = context
  if (tls !== undefined) return ruledTransport(tls, context)
  if (view.service.isExternal || !settings.automaticMutualTls) return {}
  // Where the client picks the address there is no endpoint to ask.
  if (isPassthrough) return view.endpoints.allTakeMutualTls ? { transportSocket: meshTransport(context) } : {}
  return {
    transportSocketMatches: [
      { name: 'tlsMode-istio', match: { tlsMode: 'istio' }, transportSocket: meshTransport(context) },
      { name: 'tlsMode-disabled', match: {}, transportSocket: RAW_TRANSPORT },
    ],
  }
}

function ruledTransport(tls: ClientTls, context: TransportContext): Cluster {
  if (tls.mode === 'disable') return {}
  return { transportSocket: tls.mode === 'mesh' ? meshTransport(context) : ownTransport(tls, context) }
}

function meshTransport({ view, port, subset, tls, settings, isStock }: TransportContext): TransportSocket {
  const { service, endpoints } = view
  const named = tls?.subjectAltNames ?? []
  const identities = named.length > 0 ? named : endpoints.identities
  return clientTransport({ service, port, subset, identities, serverName: tls?.serverName }, settings, isStock)
}

/** Where Debian and its descendants, Alpine among them, keep the authorities that the system trusts. */
const SYSTEM_AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt'

/** TLS of the outside world, with files of the proxy or a secret that it is given. */
function ownTransport(tls: ClientTls, context: TransportContext): TransportSocket {
  const { view, port, settings } = context
  const { hostname, subjectAltNames } = view.service
  // The name that the client called; a wildcard is no name.
  const serverName = tls.serverName ?? (hostname.includes('*') ? undefined : hostname)
  const said = tls.subjectAltNames.length > 0 ? tls.subjectAltNames : subjectAltNames
  const names = said.length === 0 && serverName !== undefined ? [serverName] : said
  const commonTlsContext: CommonTlsContext = {
    tlsParams: tlsParameters(settings.otherTls),
    ...(isHttp(port.protocol) ? { alpnProtocols: [port.protocol === 'http2' ? 'h2' : 'http/1.1'] } : {}),
    ...certificateFields(tls, context),
    ...(tls.acceptsAnyServer ? {} : authorityFields(tls, names, context)),
  }
  return {
    name: 'envoy.transport_sockets.tls',
    typedConfig: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      commonTlsContext,
      ...(serverName === undefined ? {} : { sni: serverName }),
    }),
  }
}

/** By name or as files; the key never passes through here. */
function certificateFields(tls: ClientTls, context: TransportContext): CommonTlsContext {
  const { certificatePath, keyPath, secret, mode } = tls
  if (secret !== undefined)
    return mode === 'mutual' && takesSecrets(context) ? { tlsCertificateSdsSecretConfigs: [named(secret, context)] } : {}
  if (certificatePath === undefined || keyPath === undefined) return {}
  return { tlsCertificates: [{ certificateChain: { filename: certificatePath }, privateKey: { filename: keyPath } }] }
}

function authorityFields(tls: ClientTls, names: readonly string[], context: TransportContext): CommonTlsContext {
  const { secret, authoritiesPath, revocationsPath } = tls
  const { isStock, settings } = context
  if (secret !== undefined && takesSecrets(context)) {
    const validationContextSdsSecretConfig = named(`${secret}-cacert`, context)
    return { combinedValidationContext: { defaultValidationContext: matchingNames(names), validationContextSdsSecretConfig } }
  }
  // Who cannot be told whom to trust, or who is revoked, trusts nobody: a service account has a name.
  const isBlind = secret !== undefined || (revocationsPath !== undefined && !isStock)
  return {
    validationContext: {
      trustedCa: { filename: authoritiesPath ?? SYSTEM_AUTHORITIES },
      ...(revocationsPath === undefined || !isStock ? {} : { crl: { filename: revocationsPath } }),
      ...matchingNames(isBlind ? [`spiffe://${settings.trustDomain}/ns//sa/`] : names),
    },
  }
}

/** Others would wait for a secret that they may not read (Istio). */
function takesSecrets({ isStock, secretsFrom }: TransportContext): boolean {
  return secretsFrom === 'control plane' || (isStock && secretsFrom === 'bootstrap')
}

function named(secret: string, { secretsFrom }: TransportContext): SdsSecretConfig {
  const name = credentialSecretName(secret)
  return secretsFrom === 'control plane' ? overAds(name) : { name }
}

function matchingNames(names: readonly string[]): CertificateValidationContext {
  if (names.length === 0) return {}
  return {
    matchTypedSubjectAltNames: names.map((name) => ({
      sanType: name.includes('://') ? ('URI' as const) : ('DNS' as const),
      matcher: { exact: name },
    })),
  }
}
