// How a cluster's connections are protected: as a DestinationRule says, else mutual TLS of the mesh wherever an endpoint takes it
// (automatic mTLS), else as the client's bytes are. Called by outbound-clusters.ts.
// Invariant: a rule's TLS never falls back to plaintext, whatever the endpoint.
import { any } from '../../envoy/any.ts'
import type { CertificateValidationContext, Cluster, CommonTlsContext, TransportSocket } from '../../envoy/generated/messages.gen.ts'
import type { MeshSettings } from '../../model/mesh-settings.ts'
import { isHttp, type ServicePort } from '../../model/service.ts'
import type { ClientTls } from '../../model/traffic-policy.ts'
import type { ServiceView } from '../view/proxy-view.ts'
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
}

export function transportFields(context: TransportContext): Cluster {
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

function meshTransport({ view, port, subset, tls, settings }: TransportContext): TransportSocket {
  const { service, endpoints } = view
  const named = tls?.subjectAltNames ?? []
  const identities = named.length > 0 ? named : endpoints.identities
  return clientTransport({ service, port, subset, identities, serverName: tls?.serverName }, settings)
}

/** Where Debian and its descendants, Alpine among them, keep the authorities that the system trusts. */
const SYSTEM_AUTHORITIES = '/etc/ssl/certs/ca-certificates.crt'

/** TLS of the outside world, with files of the proxy. */
function ownTransport(tls: ClientTls, { view, port, settings }: TransportContext): TransportSocket {
  const { hostname, subjectAltNames } = view.service
  // The name that the client called; a wildcard is no name.
  const serverName = tls.serverName ?? (hostname.includes('*') ? undefined : hostname)
  const said = tls.subjectAltNames.length > 0 ? tls.subjectAltNames : subjectAltNames
  const names = said.length === 0 && serverName !== undefined ? [serverName] : said
  const { certificatePath, keyPath } = tls
  const commonTlsContext: CommonTlsContext = {
    tlsParams: tlsParameters(settings.otherTls),
    ...(isHttp(port.protocol) ? { alpnProtocols: [port.protocol === 'http2' ? 'h2' : 'http/1.1'] } : {}),
    ...(certificatePath === undefined || keyPath === undefined
      ? {}
      : { tlsCertificates: [{ certificateChain: { filename: certificatePath }, privateKey: { filename: keyPath } }] }),
    ...(tls.acceptsAnyServer ? {} : { validationContext: validation(tls.authoritiesPath, names) }),
  }
  return {
    name: 'envoy.transport_sockets.tls',
    typedConfig: any('envoy.extensions.transport_sockets.tls.v3.UpstreamTlsContext', {
      commonTlsContext,
      ...(serverName === undefined ? {} : { sni: serverName }),
    }),
  }
}

function validation(authoritiesPath: string | undefined, names: readonly string[]): CertificateValidationContext {
  return {
    trustedCa: { filename: authoritiesPath ?? SYSTEM_AUTHORITIES },
    ...(names.length === 0
      ? {}
      : {
          matchTypedSubjectAltNames: names.map((name) => ({
            sanType: name.includes('://') ? ('URI' as const) : ('DNS' as const),
            matcher: { exact: name },
          })),
        }),
  }
}
