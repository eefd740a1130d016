// Certificates for tests, made by the house's own issuer: a root, and leaves with any identity, lifetime and name.
import { createPublicKey, generateKeyPairSync, type KeyObject, randomBytes, X509Certificate } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import path from 'node:path'
import { sequence, set, utf8String } from '../../src/identity/der.ts'
import { OID } from '../../src/identity/oids.ts'
import { encodePem } from '../../src/identity/pem.ts'
import { ECDSA_SHA256, issueLeaf, issueRoot, keyIdOf, type SubjectAltName } from '../../src/identity/x509.ts'

export interface TestCertificate {
  readonly chainPem: string
  readonly keyPem: string
}

const HOUR_MS = 3_600_000

export class TestCa {
  readonly rootPem: string
  readonly #key: KeyObject
  readonly #organization: string

  constructor(organization = 'test') {
    this.#organization = organization
    this.#key = generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey
    const nowMs = Date.now()
    const der = issueRoot(this.#key, organization, randomBytes(16), { notBeforeMs: nowMs - HOUR_MS, notAfterMs: nowMs + 24 * HOUR_MS })
    this.rootPem = encodePem('CERTIFICATE', der)
  }

  issue(name: string | SubjectAltName, validity: { readonly notBeforeMs?: number; readonly notAfterMs?: number } = {}): TestCertificate {
    const leaf = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    const chainPem = this.certify(leaf.publicKey.export({ type: 'spki', format: 'der' }), name, validity)
    return { chainPem, keyPem: leaf.privateKey.export({ type: 'pkcs8', format: 'pem' }).toString() }
  }

  /** A leaf for somebody else's key, as a CA makes it of a request. PEM. */
  certify(
    publicKeyDer: Buffer,
    name: string | SubjectAltName,
    validity: { readonly notBeforeMs?: number; readonly notAfterMs?: number } = {},
  ): string {
    const nowMs = Date.now()
    const signer = {
      privateKey: this.#key,
      algorithm: ECDSA_SHA256,
      nameDer: sequence(set(sequence(OID.organization, utf8String(this.#organization)))),
      keyId: keyIdOf(createPublicKey(this.#key).export({ type: 'spki', format: 'der' })),
    }
    const der = issueLeaf(signer, {
      publicKeyDer,
      names: [typeof name === 'string' ? { uri: name } : name],
      serial: randomBytes(16),
      notBeforeMs: validity.notBeforeMs ?? nowMs - 60_000,
      notAfterMs: validity.notAfterMs ?? nowMs + HOUR_MS,
    })
    return encodePem('CERTIFICATE', der)
  }
}

export interface CertificateFiles {
  readonly chain: string
  readonly key: string
  readonly roots: string
}

/** One root and a leaf per SPIFFE id, written to `folder`. In the order of the ids. */
export function issueTestCertificates(folder: string, ids: readonly string[]): CertificateFiles[] {
  const ca = new TestCa()
  const roots = path.join(folder, 'root.pem')
  writeFileSync(roots, ca.rootPem)
  return ids.map((id, index) => {
    const { chainPem, keyPem } = ca.issue(id)
    const files = { chain: path.join(folder, `leaf-${index}.pem`), key: path.join(folder, `leaf-${index}.key`), roots }
    writeFileSync(files.chain, chainPem)
    writeFileSync(files.key, keyPem, { mode: 0o600 })
    return files
  })
}

/** Serial, names and lifetime, for assertions. */
export function factsOf(chainPem: string): { readonly names: string | undefined; readonly notAfterMs: number } {
  const certificate = new X509Certificate(chainPem)
  return { names: certificate.subjectAltName, notAfterMs: Date.parse(certificate.validTo) }
}
