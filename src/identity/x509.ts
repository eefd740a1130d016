// Issues X.509 v3 certificates (RFC 5280; SPIFFE X.509-SVID): the mesh's root and the workloads' leaves. Called by ca/.
// Pure: key, serial and times come in. Invariant: every certificate passes `openssl verify -x509_strict`.
import { createPublicKey, hash, type KeyObject, sign } from 'node:crypto'
import { isIPv4 } from 'node:net'
import { LateenError } from '../base/errors.ts'
import { bitString, boolean, element, explicit, implicit, integer, octetString, sequence, set, TAG, time, utf8String } from './der.ts'
import { DerReader, readBitString } from './der-reader.ts'
import { OID } from './oids.ts'

export type SubjectAltName = { readonly uri: string } | { readonly dns: string } | { readonly ip: string }

export interface Validity {
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** What signs: the private key, and the two facts of its certificate that go into every leaf. */
export interface Signer {
  readonly privateKey: KeyObject
  readonly algorithm: SignatureAlgorithm
  /** The signer's subject, DER. */
  readonly nameDer: Buffer
  readonly keyId: Buffer
}

export interface SignatureAlgorithm {
  readonly hash: 'sha256' | 'sha384' | 'sha512'
  /** AlgorithmIdentifier, DER. */
  readonly identifier: Buffer
}

/** Undefined when the key is of a kind that we do not sign with. @param certificate the signer's own. */
export function createSigner(privateKey: KeyObject, certificate: SignerCertificate): Signer | undefined {
  const algorithm = signatureAlgorithmOf(privateKey)
  if (algorithm === undefined) return undefined
  // Verifiers compare this with the issuer's own extension (RFC 5280 4.2.1.1), which another tool may have filled in another way.
  const keyId = certificate.subjectKeyId ?? keyIdOf(createPublicKey(privateKey).export({ type: 'spki', format: 'der' }))
  return { privateKey, algorithm, nameDer: certificate.subjectDer, keyId }
}

export interface SignerCertificate {
  readonly subjectDer: Buffer
  readonly subjectKeyId: Buffer | undefined
}

export const ECDSA_SHA256: SignatureAlgorithm = { hash: 'sha256', identifier: sequence(OID.ecdsaWithSha256) }
const ECDSA_BY_CURVE: Readonly<Record<string, SignatureAlgorithm>> = {
  prime256v1: ECDSA_SHA256,
  secp384r1: { hash: 'sha384', identifier: sequence(OID.ecdsaWithSha384) },
  secp521r1: { hash: 'sha512', identifier: sequence(OID.ecdsaWithSha512) },
}
const RSA_SHA256: SignatureAlgorithm = { hash: 'sha256', identifier: sequence(OID.sha256WithRsa, element(TAG.null)) }

/** How this key signs certificates (RFC 5758 3.2, RFC 4055 5); undefined for keys that we do not sign with. */
export function signatureAlgorithmOf({ asymmetricKeyType, asymmetricKeyDetails }: KeyObject): SignatureAlgorithm | undefined {
  if (asymmetricKeyType === 'rsa') return (asymmetricKeyDetails?.modulusLength ?? 0) >= 2048 ? RSA_SHA256 : undefined
  return asymmetricKeyType === 'ec' ? ECDSA_BY_CURVE[asymmetricKeyDetails?.namedCurve ?? ''] : undefined
}

export interface LeafRequest extends Validity {
  /** SubjectPublicKeyInfo, DER. */
  readonly publicKeyDer: Buffer
  /** At least one; a workload has exactly one, its SPIFFE id. */
  readonly names: readonly SubjectAltName[]
  /** 16 random bytes. */
  readonly serial: Buffer
}

/** digitalSignature and keyEncipherment, as Istio's; the second matters to RSA keys only. */
const LEAF_KEY_USAGE = bitString(Buffer.from([0xa0]), 5)
/** keyCertSign and cRLSign. */
const CA_KEY_USAGE = bitString(Buffer.from([0x06]), 1)
const VERSION_3 = explicit(0, integer(Buffer.from([2])))

const LEAF_EXTENSIONS = Buffer.concat([
  extension(OID.keyUsage, true, LEAF_KEY_USAGE),
  extension(OID.extendedKeyUsage, false, sequence(OID.serverAuth, OID.clientAuth)),
  extension(OID.basicConstraints, true, sequence()),
])
const EMPTY_NAME = sequence()

/** A leaf for TLS on both sides: empty subject, so the alternative name is critical (RFC 5280 4.2.1.6). DER. */
export function issueLeaf(signer: Signer, request: LeafRequest): Buffer {
  const extensions = [
    LEAF_EXTENSIONS,
    extension(OID.subjectKeyIdentifier, false, octetString(keyIdOf(request.publicKeyDer))),
    extension(OID.authorityKeyIdentifier, false, sequence(implicit(0, signer.keyId))),
    extension(OID.subjectAltName, true, sequence(...request.names.map(encodeAltName))),
  ]
  return issue(signer, { ...request, subjectDer: EMPTY_NAME, extensions })
}

/** A self-signed root: `O=<organization>`, certificate authority, may sign leaves and nothing below them. DER. */
export function issueRoot(privateKey: KeyObject, organization: string, serial: Buffer, validity: Validity): Buffer {
  const publicKeyDer = createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
  const nameDer = sequence(set(sequence(OID.organization, utf8String(organization))))
  const keyId = keyIdOf(publicKeyDer)
  const extensions = [
    extension(OID.keyUsage, true, CA_KEY_USAGE),
    extension(OID.basicConstraints, true, sequence(boolean(true))),
    extension(OID.subjectKeyIdentifier, false, octetString(keyId)),
    extension(OID.authorityKeyIdentifier, false, sequence(implicit(0, keyId))),
  ]
  const algorithm = signatureAlgorithmOf(privateKey)
  if (algorithm === undefined)
    throw new LateenError('KEY_NOT_USABLE', 'a root needs an EC key on P-256, P-384 or P-521, or an RSA key of 2048 bits or more')
  return issue({ privateKey, algorithm, nameDer, keyId }, { ...validity, publicKeyDer, serial, subjectDer: nameDer, extensions })
}

interface Unsigned extends Validity {
  readonly publicKeyDer: Buffer
  readonly serial: Buffer
  readonly subjectDer: Buffer
  readonly extensions: readonly Buffer[]
}

function issue(signer: Signer, unsigned: Unsigned): Buffer {
  const { hash: digest, identifier } = signer.algorithm
  const body = sequence(
    VERSION_3,
    integer(unsigned.serial),
    identifier,
    signer.nameDer,
    sequence(time(unsigned.notBeforeMs), time(unsigned.notAfterMs)),
    unsigned.subjectDer,
    unsigned.publicKeyDer,
    explicit(3, sequence(...unsigned.extensions)),
  )
  return sequence(body, identifier, bitString(sign(digest, body, signer.privateKey)))
}

function extension(id: Buffer, critical: boolean, value: Buffer): Buffer {
  // FALSE is the default and DER leaves defaults out (X.690 11.5).
  return critical ? sequence(id, boolean(true), octetString(value)) : sequence(id, octetString(value))
}

function encodeAltName(name: SubjectAltName): Buffer {
  if ('uri' in name) return implicit(6, Buffer.from(name.uri, 'latin1'))
  if ('dns' in name) return implicit(2, Buffer.from(name.dns, 'latin1'))
  return implicit(7, addressBytes(name.ip))
}

function addressBytes(address: string): Buffer {
  if (isIPv4(address)) return Buffer.from(address.split('.').map(Number))
  const [head = '', tail = ''] = address.split('::')
  const groups = (text: string): number[] => (text === '' ? [] : text.split(':').map((group) => Number.parseInt(group, 16)))
  const left = groups(head)
  const right = groups(tail)
  const all = [...left, ...new Array<number>(8 - left.length - right.length).fill(0), ...right]
  return Buffer.from(all.flatMap((group) => [group >> 8, group & 0xff]))
}

/** RFC 5280 4.2.1.2, method 1: SHA-1 of the public key's bits. An identifier, not a security measure. */
export function keyIdOf(publicKeyDer: Buffer): Buffer {
  const reader = new DerReader(publicKeyDer).enter(0x30, 'subjectPublicKeyInfo')
  reader.expect(0x30, 'algorithm')
  return hash('sha1', readBitString(reader, 'subjectPublicKey'), 'buffer')
}
