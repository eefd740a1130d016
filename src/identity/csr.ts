// Certificate signing requests (RFC 2986): a workload builds one, the CA parses it.
// The parser reads what arrives from the network before anybody is trusted with an answer: size first, then structure, then the
// signature. Invariant: a ParsedCsr has proved possession of its key, and asks for exactly one name, a URI.
import { createPublicKey, type KeyObject, sign, verify } from 'node:crypto'
import { fail, type Result, succeed } from '../base/result.ts'
import { bitString, boolean, explicit, implicit, integer, octetString, sequence, set, TAG } from './der.ts'
import { DerError, DerReader, readBitString, readBoolean, readOnly } from './der-reader.ts'
import { OID } from './oids.ts'
import { decodePem, encodePem } from './pem.ts'
import { parseSpiffeId, type SpiffeId } from './spiffe-id.ts'

/** A P-256 request has about 400 bytes, RSA-4096 1,200; anything larger is not a workload's. */
export const MAX_CSR_BYTES = 8192

export interface ParsedCsr {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyDer: Buffer
  readonly requested: SpiffeId
}

/** A PEM request for `id`, signed with the P-256 private key, subject empty. */
export function buildCsr(id: SpiffeId, privateKey: KeyObject): string {
  const publicKeyDer = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const altName = sequence(implicit(6, Buffer.from(id, 'latin1')))
  const extensions = sequence(sequence(OID.subjectAltName, boolean(true), octetString(altName)))
  const info = sequence(integer(Buffer.from([0])), sequence(), publicKeyDer, explicit(0, sequence(OID.extensionRequest, set(extensions))))
  const signature = bitString(sign('sha256', info, privateKey))
  return encodePem('CERTIFICATE REQUEST', sequence(info, sequence(OID.ecdsaWithSha256), signature))
}

export function parseCsr(pem: string): Result<ParsedCsr> {
  // Base64 adds a third; the bound is checked before a byte is decoded.
  if (pem.length > MAX_CSR_BYTES * 1.5) return fail('csr', `a request has at most ${MAX_CSR_BYTES} bytes`)
  const blocks = decodePem(pem, 'CERTIFICATE REQUEST')
  if (!blocks.ok) return fail('csr', blocks.problems[0]?.message ?? 'is not PEM')
  const [der, ...others] = blocks.value
  if (der === undefined || others.length > 0) return fail('csr', 'must be one request')
  if (der.length > MAX_CSR_BYTES) return fail('csr', `a request has at most ${MAX_CSR_BYTES} bytes`)
  try {
    return readRequest(der)
  } catch (error) {
    if (error instanceof DerError) return fail('csr', error.message)
    throw error
  }
}

function readRequest(der: Buffer): Result<ParsedCsr> {
  const request = new DerReader(readOnly(der, TAG.sequence, 'request').content)
  const info = request.expect(TAG.sequence, 'certificationRequestInfo')
  const algorithm = request.expect(TAG.sequence, 'signatureAlgorithm')
  const signature = readBitString(request, 'signature')
  request.finish('request')

  const fields = new DerReader(info.content)
  if (!fields.expect(TAG.integer, 'version').content.equals(Buffer.from([0]))) return fail('csr', 'its version is not 0')
  // The subject is read past, not used: the issued certificate has none (SPIFFE X.509-SVID, section 2).
  fields.expect(TAG.sequence, 'subject')
  const publicKeyDer = fields.expect(TAG.sequence, 'subjectPublicKeyInfo').whole
  const names = readRequestedNames(fields)
  fields.finish('certificationRequestInfo')

  const proof = provePossession(publicKeyDer, algorithm.content, info.whole, signature)
  if (!proof.ok) return proof
  const [name, ...more] = names
  if (name === undefined || more.length > 0) return fail('csr', `must ask for exactly one URI name, asks for ${names.length}`)
  const requested = parseSpiffeId(name)
  return requested.ok ? succeed({ publicKeyDer, requested: requested.value }) : fail('csr', requested.problems[0]?.message ?? '')
}

/** attributes [0]: one extensionRequest with one extension, the subject alternative name. */
function readRequestedNames(fields: DerReader): readonly string[] {
  const attributes = fields.enter(0xa0, 'attributes')
  const attribute = attributes.enter(TAG.sequence, 'attribute')
  attributes.finish('attributes (only extensionRequest is expected)')
  if (!attribute.expect(TAG.oid, 'attribute type').whole.equals(OID.extensionRequest)) {
    throw new DerError('attribute type: only extensionRequest is expected')
  }
  const values = attribute.enter(TAG.set, 'extensionRequest')
  attribute.finish('attribute')
  const extensions = values.enter(TAG.sequence, 'extensions')
  values.finish('extensionRequest')
  const extension = extensions.enter(TAG.sequence, 'extension')
  extensions.finish('extensions (only subjectAltName may be asked for)')
  if (!extension.expect(TAG.oid, 'extension id').whole.equals(OID.subjectAltName)) {
    throw new DerError('extension id: only subjectAltName may be asked for')
  }
  if (extension.peek() === TAG.boolean) readBoolean(extension.any('critical').content, 'critical')
  const value = extension.expect(TAG.octetString, 'extension value').content
  extension.finish('extension')
  const general = new DerReader(readOnly(value, TAG.sequence, 'subjectAltName').content)
  const names: string[] = []
  while (!general.done) names.push(general.expect(0x86, 'subjectAltName: a name that is no URI').content.toString('latin1'))
  return names
}

const EC_P256 = Buffer.concat([OID.ecPublicKey, OID.prime256v1])
const RSA = Buffer.concat([OID.rsaEncryption, Buffer.from([TAG.null, 0])])
const RSA_SIGNATURE = Buffer.concat([OID.sha256WithRsa, Buffer.from([TAG.null, 0])])

/** The kind of key is read from its algorithm (RFC 5480 2.1.1, RFC 3279 2.3.1), and the key is handed over as text: a KeyObject around it, or
 *  the question for its details, costs as much as importing it, and of any object Node first finds out that it is none of its own by an
 *  exception (198 us for a verification of DER, 122 of PEM). What is no point on the curve fails to import. */
function provePossession(publicKeyDer: Buffer, algorithm: Buffer, signed: Buffer, signature: Buffer): Result<undefined> {
  const info = new DerReader(readOnly(publicKeyDer, TAG.sequence, 'subjectPublicKeyInfo').content)
  const kind = info.expect(TAG.sequence, 'algorithm').content
  const isRsa = kind.equals(RSA)
  if (!isRsa && !kind.equals(EC_P256)) return fail('csr', WRONG_KEY)
  const key = encodePem('PUBLIC KEY', publicKeyDer)
  try {
    if (isRsa && !isSoundRsa(createPublicKey(key))) return fail('csr', WRONG_KEY)
    const holds = algorithm.equals(isRsa ? RSA_SIGNATURE : OID.ecdsaWithSha256) && verify('sha256', signed, key, signature)
    return holds ? succeed(undefined) : fail('csr', 'its signature does not verify, so it does not prove possession of the private key')
  } catch {
    return fail('csr', 'its public key cannot be read')
  }
}

const WRONG_KEY = 'its public key must be EC P-256 or RSA of 2048 to 4096 bits'

/** Istio's agents ask with RSA-2048 by default. */
function isSoundRsa({ asymmetricKeyDetails: details }: KeyObject): boolean {
  const bits = details?.modulusLength ?? 0
  return bits >= 2048 && bits <= 4096 && details?.publicExponent === 65_537n
}
