// Checks of a server's certificate by the names in it, for connections that the proxy itself makes (control plane, CA).
// The chain has been verified before; this compares names only. Names come from our own DER reader, not from node's text form.
import { isIP } from 'node:net'
import type { PeerCertificate } from 'node:tls'
import { readCertificate } from '../../identity/certificate.ts'
import type { PeerValidation } from '../config/proxy-config.ts'

/** The certificate must carry exactly this DNS or URI name. */
export function peerNameCheck(wanted: string): (certificate: PeerCertificate) => string | undefined {
  return sanCheck([{ type: 'any', spec: { kind: 'exact', value: wanted, ignoreCase: false }, matches: (name) => name === wanted }])
}

/** Any one of the matchers must match any one name; no matcher: any certificate of the trusted roots (Envoy: match_typed_subject_alt_names). */
export function sanCheck(matchers: PeerValidation['subjectAltNames']): (certificate: PeerCertificate) => string | undefined {
  return (certificate) => {
    if (matchers.length === 0) return undefined
    const facts = readCertificate(certificate.raw)
    if (!facts.ok) return `the server's certificate cannot be read: ${facts.problems[0]?.message ?? ''}`
    const { uris, dnsNames } = facts.value
    const matched = matchers.some(({ type, matches }) => {
      const names = type === 'uri' ? uris : type === 'dns' ? dnsNames : type === 'any' ? [...uris, ...dnsNames] : []
      return names.some(matches)
    })
    return matched ? undefined : `the server is ${[...uris, ...dnsNames].join(', ') || 'nameless'}, which is not the expected identity`
  }
}

/** What goes into SNI: DNS names only (RFC 6066 3); '' for an address, a URI or nothing. */
export function peerNameOf(name: string | undefined): string {
  return name === undefined || name.includes('/') || isIP(name) !== 0 ? '' : name
}
