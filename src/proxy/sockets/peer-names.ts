// The names in a peer's certificate, and whether they are the expected ones. Read once per connection, never per request.
// Invariant: names count only after the chain was verified; the caller asks for that first.
import { X509Certificate } from 'node:crypto'
import type { PeerCertificate, TLSSocket } from 'node:tls'
import type { PeerValidation } from '../config/proxy-config.ts'

export interface PeerNames {
  readonly uris: readonly string[]
  readonly dns: readonly string[]
  readonly ips: readonly string[]
  readonly emails: readonly string[]
  /** RFC 2253 order, as Envoy prints %DOWNSTREAM_PEER_SUBJECT%. */
  readonly subject: string
  /** SHA-256 of the certificate, lower-case hexadecimal, as XFCC's Hash. */
  readonly hash: string
  readonly notAfterMs: number
}

export const NO_NAMES: PeerNames = { uris: [], dns: [], ips: [], emails: [], subject: '', hash: '', notAfterMs: 0 }

/** By SHA-256 of the certificate: the same few peers connect again and again, and their connections share one object. */
const KNOWN = new Map<string, PeerNames>()
const MAX_KNOWN = 1000

/** Undefined: the peer presented no certificate.
 *  Not by getPeerX509Certificate(), 60 us cheaper where the peer sends nothing but its own: it takes the issuers that were sent with it out of
 *  OpenSSL's chain and frees them never, 6 KB for each full handshake (Node 24.20; https://github.com/nodejs/node/issues/65579). */
export function namesOfPeer(socket: TLSSocket): PeerNames | undefined {
  // Node's type does not say that a peer without a certificate has none of it, and a socket that is gone null.
  const { fingerprint256, raw }: Partial<PeerCertificate> = socket.getPeerCertificate() ?? {}
  return fingerprint256 === undefined || raw === undefined ? undefined : peerNames({ fingerprint256, raw })
}

export function peerNames({ fingerprint256, raw }: Pick<PeerCertificate, 'fingerprint256' | 'raw'>): PeerNames {
  const known = KNOWN.get(fingerprint256)
  if (known !== undefined) return known
  const names = readNames(new X509Certificate(raw))
  if (KNOWN.size >= MAX_KNOWN) KNOWN.clear()
  KNOWN.set(fingerprint256, names)
  return names
}

function readNames(certificate: X509Certificate): PeerNames {
  const names = { URI: [] as string[], DNS: [] as string[], 'IP Address': [] as string[], email: [] as string[] }
  for (const [type, value] of splitAltNames(certificate.subjectAltName ?? '')) {
    if (type === 'URI' || type === 'DNS' || type === 'IP Address' || type === 'email') names[type].push(value)
  }
  return {
    uris: names.URI,
    dns: names.DNS,
    ips: names['IP Address'],
    emails: names.email,
    subject: subjectText(certificate.subject),
    hash: certificate.fingerprint256.replaceAll(':', '').toLowerCase(),
    notAfterMs: Date.parse(certificate.validTo),
  }
}

/** Node joins with ', ' and puts a name that contains a comma or a quote into JSON quotes (CVE-2021-44532): never split inside them. */
function splitAltNames(text: string): [string, string][] {
  const found: [string, string][] = []
  for (const match of text.matchAll(/(URI|DNS|IP Address|email|[A-Za-z ]+):("(?:[^"\\]|\\.)*"|[^,]*)(?:, |$)/g)) {
    const raw = match[2] ?? ''
    found.push([match[1] ?? '', raw.startsWith('"') ? String(JSON.parse(raw)) : raw])
  }
  return found
}

/** Node prints one attribute per line, escaped as RFC 2253 wants it, the most general first. */
function subjectText(subject: string | undefined): string {
  return (subject ?? '').split('\n').reverse().join(',')
}

/** Envoy's match_typed_subject_alt_names: any one is enough; an empty list takes whatever the roots vouch for. */
export function namesAllowed(validation: PeerValidation, names: PeerNames): boolean {
  if (validation.subjectAltNames.length === 0) return true
  return validation.subjectAltNames.some(({ type, matches }) => namesOfType(names, type).some(matches))
}

function namesOfType(names: PeerNames, type: 'uri' | 'dns' | 'ip' | 'email' | 'any'): readonly string[] {
  if (type === 'uri') return names.uris
  if (type === 'dns') return names.dns
  if (type === 'ip') return names.ips
  if (type === 'email') return names.emails
  return [...names.uris, ...names.dns, ...names.ips, ...names.emails]
}

/** What policies judge: URI names, then DNS names, then the subject. */
export function principalsOf(names: PeerNames): readonly string[] {
  return [...names.uris, ...names.dns, ...(names.subject === '' ? [] : [names.subject])]
}
