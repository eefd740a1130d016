// Transport sockets: TLS contexts of listeners and clusters. Invariant: a transport that cannot be read is a problem, never plaintext.
import { unpack } from '../../envoy/any.ts'
import type * as envoy from '../../envoy/generated/messages.gen.ts'
import { ROOT_SECRET, WORKLOAD_SECRET } from '../../envoy/names.ts'
import type { DecodeContext } from './decode-context.ts'
import { decodeStringMatch } from './decode-matchers.ts'
import type { CertificateSource, DownstreamTls, PeerValidation, UpstreamTls } from './proxy-config.ts'

const DOWNSTREAM = 'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext'
const UPSTREAM = 'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext'
const RAW = 'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer'

/** 'plaintext', the context, or undefined when there was a problem. */
export type DecodedTransport<T> = { readonly tls: T | undefined } | undefined

export function decodeDownstreamTransport(
  socket: envoy.TransportSocket | undefined,
  at: string,
  context: DecodeContext,
): DecodedTransport<DownstreamTls> {
  if (isPlaintext(socket)) return { tls: undefined }
  const message = unpack(socket?.typedConfig, DOWNSTREAM)
  if (message === undefined) return unknownTransport(socket, at, context)
  const common = decodeCommon(message.commonTlsContext ?? {}, `${at}.typed_config.common_tls_context`, context)
  const { certificate, ...others } = common
  if (certificate === undefined) {
    return context.error(`${at}.typed_config.common_tls_context`, 'a listener needs a certificate: tls_certificates or SDS')
  }
  return { tls: { certificate, ...others, requiresClientCertificate: message.requireClientCertificate === true } }
}

export function decodeUpstreamTransport(
  socket: envoy.TransportSocket | undefined,
  at: string,
  context: DecodeContext,
): DecodedTransport<UpstreamTls> {
  if (isPlaintext(socket)) return { tls: undefined }
  const message = unpack(socket?.typedConfig, UPSTREAM)
  if (message === undefined) return unknownTransport(socket, at, context)
  const common = decodeCommon(message.commonTlsContext ?? {}, `${at}.typed_config.common_tls_context`, context)
  return { tls: { ...common, sni: message.sni === '' ? undefined : message.sni } }
}

function isPlaintext(socket: envoy.TransportSocket | undefined): boolean {
  if (socket === undefined) return true
  return (
    unpack(socket.typedConfig, RAW) !== undefined ||
    (socket.typedConfig === undefined && socket.name === 'envoy.transport_sockets.raw_buffer')
  )
}

function unknownTransport(socket: envoy.TransportSocket | undefined, at: string, context: DecodeContext): undefined {
  // Not softened by 'allow unsupported': without it the connection would be plaintext.
  return context.error(at, `transport socket '${socket?.typedConfig?.['@type'] ?? socket?.name ?? ''}' is not supported here`)
}

interface CommonTls {
  readonly certificate: CertificateSource | undefined
  readonly otherCertificates: readonly CertificateSource[]
  readonly validation: PeerValidation
  readonly alpn: readonly string[]
  readonly minVersion: 'TLSv1.2' | 'TLSv1.3'
  readonly maxVersion: 'TLSv1.2' | undefined
  readonly cipherSuites: readonly string[] | undefined
  readonly curves: readonly string[] | undefined
}

function decodeCommon(tls: envoy.CommonTlsContext, at: string, context: DecodeContext): CommonTls {
  const [certificate, ...otherCertificates] = decodeCertificates(tls, at, context)
  return {
    certificate,
    otherCertificates,
    validation: decodeValidation(tls, at, context),
    alpn: tls.alpnProtocols ?? [],
    ...decodeVersions(tls.tlsParams, `${at}.tls_params`, context),
    cipherSuites: tls.tlsParams?.cipherSuites?.length ? tls.tlsParams.cipherSuites : undefined,
    curves: decodeCurves(tls.tlsParams, `${at}.tls_params.ecdh_curves`, context),
  }
}

/** Envoy's names of them; OpenSSL refuses a whole list for one that it does not know. */
const CURVES: ReadonlySet<string> = new Set(['P-224', 'P-256', 'P-384', 'P-521', 'X25519', 'X25519MLKEM768'])

function decodeCurves(params: envoy.TlsParameters | undefined, at: string, context: DecodeContext): readonly string[] | undefined {
  const { ecdhCurves = [] } = params ?? {}
  if (ecdhCurves.length === 0) return undefined
  for (const curve of ecdhCurves) if (!CURVES.has(curve)) context.unsupported(at, `the curve ${curve} is not spoken`)
  const curves = ecdhCurves.filter((curve) => CURVES.has(curve))
  if (curves.length === 0) context.error(at, 'no curve is left that is spoken here')
  return curves
}

function decodeVersions(
  params: envoy.TlsParameters | undefined,
  at: string,
  context: DecodeContext,
): Pick<CommonTls, 'minVersion' | 'maxVersion'> {
  const { tlsMinimumProtocolVersion: min = 'TLS_AUTO', tlsMaximumProtocolVersion: max = 'TLS_AUTO' } = params ?? {}
  if (min === 'TLSv1_0' || min === 'TLSv1_1') context.unsupported(`${at}.tls_minimum_protocol_version`, 'TLS below 1.2 is not spoken')
  if (max === 'TLSv1_0' || max === 'TLSv1_1' || (max === 'TLSv1_2' && min === 'TLSv1_3')) {
    context.error(`${at}.tls_maximum_protocol_version`, 'no version of TLS from 1.2 on is left')
  }
  return { minVersion: min === 'TLSv1_3' ? 'TLSv1.3' : 'TLSv1.2', maxVersion: max === 'TLSv1_2' ? 'TLSv1.2' : undefined }
}

function decodeCertificates(tls: envoy.CommonTlsContext, at: string, context: DecodeContext): readonly CertificateSource[] {
  const named = (tls.tlsCertificateSdsSecretConfigs ?? []).flatMap((secret, index) => {
    const name = secret.name ?? ''
    const given = context.settings.secrets?.get(name)?.tlsCertificate
    if (given === undefined) return [secretSource(secret)]
    return certificateOf(given, `${at}.tls_certificate_sds_secret_configs[${index}]`, context) ?? []
  })
  if (named.length > 0) return named
  return (tls.tlsCertificates ?? []).flatMap(
    (certificate, index) => certificateOf(certificate, `${at}.tls_certificates[${index}]`, context) ?? [],
  )
}

/** From the control plane where the configuration says so. The mesh's own certificate and roots this proxy keeps itself, whatever is said. */
function secretSource({ name = '', sdsConfig }: envoy.SdsSecretConfig): { readonly kind: 'sds' | 'secret'; readonly name: string } {
  return { kind: sdsConfig?.ads === undefined || name === WORKLOAD_SECRET || name === ROOT_SECRET ? 'secret' : 'sds', name }
}

function certificateOf(certificate: envoy.TlsCertificate, at: string, context: DecodeContext): CertificateSource | undefined {
  const chain = certificate.certificateChain
  const key = certificate.privateKey
  if (chain?.filename !== undefined && key?.filename !== undefined) {
    return { kind: 'files', chainPath: chain.filename, keyPath: key.filename }
  }
  const chainPem = inlineText(chain)
  const keyPem = inlineText(key)
  if (chainPem === undefined || keyPem === undefined) {
    return context.error(at, 'certificate_chain and private_key must both be files or both be inline')
  }
  return { kind: 'pem', chainPem, keyPem }
}

export function inlineText(source: envoy.DataSource | undefined): string | undefined {
  if (source?.inlineString !== undefined) return source.inlineString
  return source?.inlineBytes === undefined ? undefined : Buffer.from(source.inlineBytes).toString('utf8')
}

function decodeValidation(tls: envoy.CommonTlsContext, at: string, context: DecodeContext): PeerValidation {
  const combined = tls.combinedValidationContext
  const own = tls.validationContext ?? combined?.defaultValidationContext
  const where = combined === undefined ? `${at}.validation_context` : `${at}.combined_validation_context.default_validation_context`
  const secret = tls.validationContextSdsSecretConfig ?? combined?.validationContextSdsSecretConfig
  const given = secret === undefined ? undefined : context.settings.secrets?.get(secret.name ?? '')?.validationContext
  const trust = secret === undefined || given !== undefined ? trustOf((given ?? own)?.trustedCa) : secretSource(secret)
  const subjectAltNames = [...decodeNames(given, where, context), ...decodeNames(own, where, context)]
  if (subjectAltNames.length > 0 && trust === undefined) {
    context.error(where, 'names are matched but no root is trusted: any self-made certificate could carry them; give trusted_ca')
  }
  return { trust, subjectAltNames }
}

function trustOf(source: envoy.DataSource | undefined): PeerValidation['trust'] {
  if (source?.filename !== undefined) return { kind: 'file', path: source.filename }
  const pem = inlineText(source)
  return pem === undefined ? undefined : { kind: 'pem', pem }
}

const NAME_TYPES = { SAN_TYPE_UNSPECIFIED: 'any', EMAIL: 'email', DNS: 'dns', URI: 'uri', IP_ADDRESS: 'ip' } as const

function decodeNames(
  validation: envoy.CertificateValidationContext | undefined,
  at: string,
  context: DecodeContext,
): PeerValidation['subjectAltNames'] {
  const typed = validation?.matchTypedSubjectAltNames ?? []
  if (typed.length === 0) {
    return (validation?.matchSubjectAltNames ?? []).flatMap((matcher, index) => {
      const compiled = decodeStringMatch(matcher, `${at}.match_subject_alt_names[${index}]`, context)
      return compiled === undefined ? [] : [{ type: 'any' as const, ...compiled }]
    })
  }
  return typed.flatMap(({ sanType = 'SAN_TYPE_UNSPECIFIED', matcher }, index) => {
    const where = `${at}.match_typed_subject_alt_names[${index}]`
    // Dropping one of several names would only narrow, but it must be said; the only one dropped would accept everybody.
    if (sanType === 'OTHER_NAME') return context.error(`${where}.san_type`, 'OTHER_NAME is not supported') ?? []
    const compiled = decodeStringMatch(matcher, `${where}.matcher`, context)
    return compiled === undefined ? [] : [{ type: NAME_TYPES[sanType], ...compiled }]
  })
}
