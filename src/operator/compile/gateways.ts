// Gateways become what gateway workloads open to the outside. Needs nothing of other passes.
// Invariant: a server that cannot be understood opens nothing; validation has said why.
import { type Finding, finding } from '../../api/finding.ts'
import type { Gateway, Server, ServerTLSSettings } from '../../api/generated/gateway.gen.ts'
import { keyOf } from '../../api/object-meta.ts'
import { knownCipherSuites, knownCurves } from '../../api/validate/cipher-suites.ts'
import { CERTIFICATE_HASH, KEY_HASH } from '../../api/validate/server-tls.ts'
import type {
  CertificateRef,
  GatewayHost,
  GatewayServer,
  GatewayTls,
  MeshGateway,
  PinnedClients,
  TerminatedTls,
  TlsVersions,
} from '../../model/gateway.ts'
import { isRoutableHost } from './hosts.ts'
import { byAge, originOf } from './mesh-draft.ts'
import { definePass } from './pass.ts'
import { Remembered } from './remembered.ts'

export const gateways = definePass({
  kinds: ['Gateway'],
  reads: [],
  create: () => {
    const compiled = new Remembered(compileGateway)
    return ({ objects }) => {
      const compile = compiled.round()
      const made = [...objects.Gateway.values()].sort(byAge).map((object) => [keyOf(object), compile(keyOf(object), object)] as const)
      return {
        gateways: new Map(made.map(([key, { gateway }]) => [key, gateway])),
        findings: made.flatMap(([, { findings }]) => findings),
      }
    }
  },
})

function compileGateway(object: Gateway): { readonly gateway: MeshGateway; readonly findings: readonly Finding[] } {
  const findings: Finding[] = []
  const servers = (object.spec.servers ?? []).flatMap((server, index): readonly GatewayServer[] => {
    const field = `spec.servers[${index}]`
    if (server.bind?.startsWith('unix:') === true) findings.push(finding('LTN0102', object, `${field}.bind`, { field: 'a unix socket' }))
    return serverOf(object, server, field) ?? []
  })
  const { name, namespace, creationTimestamp = '' } = object.metadata
  const gateway = { name, namespace, selector: object.spec.selector ?? {}, servers, createdAt: creationTimestamp, origin: originOf(object) }
  return { gateway, findings }
}

const PROTOCOLS: Readonly<Record<string, GatewayServer['protocol']>> = {
  HTTP: 'http',
  HTTP2: 'http',
  GRPC: 'http',
  'GRPC-WEB': 'http',
  HTTPS: 'https',
  TLS: 'tls',
  TCP: 'tcp',
  MONGO: 'tcp',
  REDIS: 'tcp',
  MYSQL: 'tcp',
}

function serverOf({ metadata }: Gateway, server: Server, field: string): readonly GatewayServer[] | undefined {
  const protocol = PROTOCOLS[server.port.protocol.toUpperCase()]
  const { number } = server.port
  // Unix sockets are for neighbours on the same machine; nothing here listens on one.
  if (protocol === undefined || number < 1 || number > 65_535 || server.bind?.startsWith('unix:') === true) return undefined
  const isTls = protocol === 'https' || protocol === 'tls'
  const tls = isTls ? serverTlsOf(server.tls) : undefined
  if (isTls && tls === undefined) return undefined
  return [
    {
      port: number,
      portName: server.port.name,
      protocol,
      bind: server.bind === '' ? undefined : server.bind,
      hosts: server.hosts.flatMap((host) => hostOf(host, metadata.namespace) ?? []),
      redirectsToHttps: protocol === 'http' && server.tls?.httpsRedirect === true,
      tls,
      field,
    },
  ]
}

/** The namespace in front says whose VirtualServices may bind: '.' this one's, '*' or nothing anybody's. */
function hostOf(written: string, own: string): readonly GatewayHost[] | undefined {
  const slash = written.indexOf('/')
  const host = written.slice(slash + 1).toLowerCase()
  const where = slash < 0 ? '*' : written.slice(0, slash)
  return isRoutableHost(host) ? [{ namespace: where === '.' ? own : where, host }] : undefined
}

/** Undefined: it cannot be ended, so the server must stay closed. */
export function serverTlsOf(tls: ServerTLSSettings | undefined): GatewayTls | undefined {
  if (tls === undefined) return undefined
  const versions = versionsOf(tls)
  const mode = tls.mode ?? 'PASSTHROUGH'
  if (mode === 'PASSTHROUGH') return { mode: 'passthrough' }
  if (mode === 'AUTO_PASSTHROUGH') return { mode: 'auto-passthrough' }
  if (mode === 'ISTIO_MUTUAL') return { mode: 'istio-mutual', versions }
  const certificates = certificatesOf(tls)
  const authorities = authoritiesOf(tls)
  const asksClients = mode !== 'SIMPLE'
  // Without its certificate, or without knowing who signs clients, a server must stay closed.
  if (certificates.length === 0 || (asksClients && (authorities === undefined || !pinsAreUsable(tls)))) return undefined
  return {
    mode: mode === 'SIMPLE' ? 'simple' : mode === 'MUTUAL' ? 'mutual' : 'optional-mutual',
    certificates,
    authorities: asksClients ? authorities : undefined,
    subjectAltNames: asksClients ? (tls.subjectAltNames ?? []) : [],
    versions,
    pinned: asksClients ? pinnedOf(tls) : undefined,
  }
}

function pinsAreUsable({ verifyCertificateSpki = [], verifyCertificateHash = [] }: ServerTLSSettings): boolean {
  return verifyCertificateSpki.every((hash) => KEY_HASH.test(hash)) && verifyCertificateHash.every((hash) => CERTIFICATE_HASH.test(hash))
}

function pinnedOf({ caCrl = '', verifyCertificateSpki = [], verifyCertificateHash = [] }: ServerTLSSettings): PinnedClients | undefined {
  if (caCrl === '' && verifyCertificateSpki.length + verifyCertificateHash.length === 0) return undefined
  return {
    keyHashes: verifyCertificateSpki,
    // With colons between the digits too.
    certificateHashes: verifyCertificateHash.map((hash) => hash.replaceAll(':', '').toLowerCase()),
    revocationPath: caCrl === '' ? undefined : caCrl,
  }
}

function certificatesOf(tls: ServerTLSSettings): readonly CertificateRef[] {
  const names = tls.credentialName === undefined || tls.credentialName === '' ? (tls.credentialNames ?? []) : [tls.credentialName]
  if (names.length > 0) return names.slice(0, 2).map((name) => ({ kind: 'secret', name }))
  const files = tls.tlsCertificates ?? [tls]
  return files.slice(0, 2).flatMap(({ serverCertificate = '', privateKey = '' }) => {
    return serverCertificate === '' || privateKey === '' ? [] : [{ kind: 'files', chain: serverCertificate, key: privateKey } as const]
  })
}

/** A secret beside the certificate's, named after it, when no other is named (Istio). */
function authoritiesOf(tls: ServerTLSSettings): TerminatedTls['authorities'] {
  const { caCertCredentialName = '' } = tls
  if (caCertCredentialName !== '') return { kind: 'secret', name: caCertCredentialName, isSaid: true }
  const credential = tls.credentialName ?? tls.credentialNames?.[0] ?? ''
  if (credential !== '') return { kind: 'secret', name: `${credential}-cacert`, isSaid: false }
  return tls.caCertificates === undefined || tls.caCertificates === '' ? undefined : { kind: 'file', path: tls.caCertificates }
}

/** Older versions than 1.2 are not offered. */
function versionsOf(tls: ServerTLSSettings): TlsVersions {
  const max = tls.maxProtocolVersion === 'TLSV1_2' ? '1.2' : '1.3'
  return {
    min: minimumOf(tls.minProtocolVersion, max),
    max,
    cipherSuites: knownCipherSuites(tls.cipherSuites),
    curves: knownCurves(tls.ecdhCurves),
  }
}

/** Undefined: not said. Older versions than 1.2 are not offered. */
function minimumOf(version: string | undefined, max: TlsVersions['max']): TlsVersions['min'] {
  if (version === undefined || version === 'TLS_AUTO') return undefined
  return version === 'TLSV1_3' && max === '1.3' ? '1.3' : '1.2'
}
