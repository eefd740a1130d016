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
  /** CA:TRUE, and allowed to sign certificates where its key usage says what it may. */
  readonly isAuthority: boolean
  /** How many authorities may stand below it (RFC 5280 4.2.1.9); undefined: any number. */
  readonly pathLength: number | undefined
  /** What certificates signed by this one name as their authority's key; undefined when it has no such extension. */
  readonly subjectKeyId: Buffer | undefined
  /** For signatures; its public key is read when asked for, which costs more than all of the above. */
  readonly certificate: X509Certificate
}

export function readCertificate(pemOrDer: string | Buffer): Result<CertificateFacts> {
  try {
    const certificate = new X509Certificate(pemOrDer)
    return succeed({ ...readBody(certificate.raw), isAuthority: certificate.ca, certificate })
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

interface Extensions {
  readonly uris: readonly string[]
  readonly dnsNames: readonly string[]
  readonly pathLength: number | undefined
  readonly subjectKeyId: Buffer | undefined
}

type Body = Omit<CertificateFacts, 'isAuthority' | 'certificate'>

function readBody(der: Buffer): Body {
  const certificate = new DerReader(readOnly(der, TAG.sequence, 'certificate').content)
  const body = certificate.enter(TAG.sequence, 'tbsCertificate')
  if (body.peek() === 0xa0) body.any('version')
  const serial = readSerial(body.expect(TAG.integer, 'serialNumber').content)
  body.expect(TAG.sequence, 'signature')
  body.expect(TAG.sequence, 'issuer')
  const validity = body.enter(TAG.sequence, 'validity')
  const notBeforeMs = readTime(validity.any('notBefore'))
  const notAfterMs = readTime(validity.any('notAfter'))
  const subjectDer = body.expect(TAG.sequence, 'subject').whole
  body.expect(TAG.sequence, 'subjectPublicKeyInfo')
  let extensions: Element | undefined
  while (!body.done) {
    const next = body.any('extensions')
    if (next.tag === 0xa3) extensions = next
  }
  return { ...readExtensions(extensions?.content), serial, notBeforeMs, notAfterMs, subjectDer }
}

/** Without the zero byte that keeps it positive. */
function readSerial(content: Buffer): string {
  const hex = content.toString('hex')
  return hex.length > 2 && hex.startsWith('00') ? hex.slice(2) : hex
}

/** UTCTime or GeneralizedTime in the only forms that RFC 5280 4.1.2.5 allows: to the second, in UTC. */
function readTime({ tag, content }: Element): number {
  const text = content.toString('latin1')
  const digits = tag === TAG.utcTime ? (Number(text.slice(0, 2)) < 50 ? `20${text}` : `19${text}`) : tag === TAG.generalizedTime ? text : ''
  const [, year, month, day, hour, minute, second] = /^(\d{4})(\d\d)(\d\d)(\d\d)(\d\d)(\d\d)Z$/.exec(digits) ?? []
  const atMs = Date.parse(`${year}-${month}-${day}T${hour}:${minute}:${second}Z`)
  if (Number.isNaN(atMs)) throw new DerError('validity: a time is not in the form of RFC 5280')
  return atMs
}

function readExtensions(extensionsDer: Buffer | undefined): Extensions {
  const found = { uris: [] as string[], dnsNames: [] as string[], pathLength: undefined as number | undefined }
  let subjectKeyId: Buffer | undefined
  const list = new DerReader(extensionsDer === undefined ? Buffer.alloc(0) : readOnly(extensionsDer, TAG.sequence, 'extensions').content)
  while (!list.done) {
    const extension = list.enter(TAG.sequence, 'extension')
    const id = extension.expect(TAG.oid, 'extension id').whole
    if (extension.peek() === TAG.boolean) extension.any('critical')
    const value = extension.expect(TAG.octetString, 'extension value').content
    if (id.equals(OID.subjectAltName)) readAltNames(value, found)
    else if (id.equals(OID.basicConstraints)) found.pathLength = readPathLength(value)
    else if (id.equals(OID.subjectKeyIdentifier)) subjectKeyId = readOnly(value, TAG.octetString, 'subjectKeyIdentifier').content
  }
  return { ...found, subjectKeyId }
}

function readAltNames(value: Buffer, found: { readonly uris: string[]; readonly dnsNames: string[] }): void {
  const general = new DerReader(readOnly(value, TAG.sequence, 'subjectAltName').content)
  while (!general.done) {
    const name = general.any('general name')
    if (name.tag === 0x86) found.uris.push(name.content.toString('latin1'))
    if (name.tag === 0x82) found.dnsNames.push(name.content.toString('latin1'))
  }
}

function readPathLength(value: Buffer): number | undefined {
  const constraints = new DerReader(readOnly(value, TAG.sequence, 'basicConstraints').content)
  if (constraints.peek() === TAG.boolean) constraints.any('cA')
  if (constraints.done) return undefined
  const { content } = constraints.expect(TAG.integer, 'pathLenConstraint')
  // Longer chains than 127 are none.
  return content.length === 1 && (content[0] ?? 0) < 0x80 ? content[0] : 0
}
