// What our proxy honours of Envoy's messages: transport sockets and secrets. See ../honoured.ts.
import type { Honoured } from './honoured-fields.ts'

export const TLS = {
  'envoy.extensions.transport_sockets.raw_buffer.v3.RawBuffer': [],
  'envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext': [
    'commonTlsContext',
    'requireClientCertificate',
    'disableStatelessSessionResumption',
    'disableStatefulSessionResumption',
  ],
  'envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext': ['commonTlsContext', 'sni', 'maxSessionKeys'],
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext': [
    'tlsParams',
    'tlsCertificates',
    'tlsCertificateSdsSecretConfigs',
    'validationContext',
    'validationContextSdsSecretConfig',
    'combinedValidationContext',
    'alpnProtocols',
  ],
  'envoy.extensions.transport_sockets.tls.v3.CommonTlsContext.CombinedCertificateValidationContext': [
    'defaultValidationContext',
    'validationContextSdsSecretConfig',
  ],
  'envoy.extensions.transport_sockets.tls.v3.TlsParameters': [
    'tlsMinimumProtocolVersion',
    'tlsMaximumProtocolVersion',
    'cipherSuites',
    'ecdhCurves',
  ],
  'envoy.extensions.transport_sockets.tls.v3.TlsCertificate': ['certificateChain', 'privateKey'],
  'envoy.extensions.transport_sockets.tls.v3.CertificateValidationContext': [
    'trustedCa',
    'matchSubjectAltNames',
    'matchTypedSubjectAltNames',
  ],
  'envoy.extensions.transport_sockets.tls.v3.SubjectAltNameMatcher': ['sanType', 'matcher'],
  'envoy.extensions.transport_sockets.tls.v3.SdsSecretConfig': ['name', 'sdsConfig'],
  'envoy.extensions.transport_sockets.tls.v3.Secret': ['name', 'tlsCertificate', 'validationContext'],
} as const satisfies Honoured
