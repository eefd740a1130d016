// Reads a certificate: whose it is, until when, who signed it. Used by the CA (peers), the proxy (its own and its peers') and status pages.
// Names are read from the DER extension, not from node's text form, which would have to be split at commas a name may contain.
// Invariant: a certificate that cannot be read wholly gives a problem, never a guess.
import { X509Certificate } from 'node:crypto'
import { fail, type Result, succeed } from '../base/result.ts'
import { TAG } from './der.ts'
import { DerError, DerReader, type Element, readOnly } from './der-reader.ts'
import { OID } from './oids.ts'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

export interface CertificateFacts {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly notBeforeMs: number
  readonly notAfterMs: number
  /** Lower-case hexadecimal, as `openssl x509 -serial` prints it but for the case. */
  readonly serial: string
  /** Subject, DER: what a certificate signed by this one names as issuer. */
  readonly subjectDer: Buffer
  readonly isAuthority: boolean
  /** For signatures; its public key is read when asked for, which costs more than all of the above. */
  readonly certificate: X509Certificate
}

export function readCertificate(pemOrDer: string | Buffer): Result<CertificateFacts> {
  try {
    const certificate = new X509Certificate(pemOrDer)
    const { subjectDer, names } = readBody(certificate.raw)
    return succeed({
      ...names,
      subjectDer,
      notBeforeMs: Date.parse(certificate.validFrom),
      notAfterMs: Date.parse(certificate.validTo),
      serial: certificate.serialNumber.toLowerCase(),
      isAuthority: certificate.ca,
      certificate,
    })
  } catch (error) {
    const reason = error instanceof DerError ? error.message : 'not an X.509 certificate'
    return fail('certificate', reason)
  }
}

/** The one SPIFFE id of an X.509-SVID: exactly one URI name, and not a certificate authority (X.509-SVID, sections 2 and 3). */
export function spiffeIdOf(facts: CertificateFacts): Result<SpiffeId> {
  const [uri, ...more] = facts.uris
  if (uri === undefined || more.length > 0)
    return fail('certificate', `carries ${facts.uris.length} URI names where exactly one is an identity`)
  if (facts.isAuthority) return fail('certificate', 'is an authority, which identifies no workload')
  return parseSpiffeId(uri)
}

interface Names {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
}

function readBody(der: Buffer): { readonly subjectDer: Buffer; readonly names: Names } {
  const certificate = new DerReader(readOnly(der, TAG.sequence, 'certificate').content)
  const body = certificate.enter(TAG.sequence, 'tbsCertificate')
  if (body.peek() === 0xa0) body.any('version')
  body.expect(TAG.integer, 'serialNumber')
  body.expect(TAG.sequence, 'signature')
  body.expect(TAG.sequence, 'issuer')
  body.expect(TAG.sequence, 'validity')
  const subjectDer = body.expect(TAG.sequence, 'subject').whole
  body.expect(TAG.sequence, 'subjectPublicKeyInfo')
  let extensions: Element | undefined
  while (!body.done) {
    const next = body.any('extensions')
    if (next.tag === 0xa3) extensions = next
  }
  return { subjectDer, names: extensions === undefined ? { uris: [], dnsNames: [] } : readNames(extensions.content) }
}

function readNames(extensionsDer: Buffer): Names {
  const list = new DerReader(readOnly(extensionsDer, TAG.sequence, 'extensions').content)
  const uris: string[] = []
  const dnsNames: string[] = []
  while (!list.done) {
    const extension = list.enter(TAG.sequence, 'extension')
    const isAltName = extension.expect(TAG.oid, 'extension id').whole.equals(OID.subjectAltName)
    if (extension.peek() === TAG.boolean) extension.any('critical')
    const value = extension.expect(TAG.octetString, 'extension value').content
    if (!isAltName) continue
    const general = new DerReader(readOnly(value, TAG.sequence, 'subjectAltName').content)
    while (!general.done) {
      const name = general.any('general name')
      if (name.tag === 0x86) uris.push(name.content.toString('latin1'))
      if (name.tag === 0x82) dnsNames.push(name.content.toString('latin1'))
    }
  }
  return { uris, dnsNames }
}
