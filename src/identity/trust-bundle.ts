// The roots that a trust domain's certificates are verified against, and the question whether a certificate is one of theirs.
// Used by the CA and the xDS server for peers, beside what TLS verified: a resumed TLS session must not outlive its root or its certificate.
// Invariant: a bundle holds at least one certificate authority, each exactly once.
import type { KeyObject, X509Certificate } from 'node:crypto'
import { contentHash } from '../base/content-hash.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import { type CertificateFacts, readCertificate } from './certificate.ts'
import { decodePem, encodePem } from './pem.ts'

export interface TrustedRoot {
  readonly certificate: X509Certificate
  /** Read once, not per peer. */
  readonly publicKey: KeyObject
}

export interface TrustBundle {
  readonly roots: readonly TrustedRoot[]
  /** All roots, PEM, in order. */
  readonly pem: string
  /** Equal bundles have equal hashes: proxies report it during a root rotation. */
  readonly hash: string
}

export function parseTrustBundle(pem: string): Result<TrustBundle> {
  const blocks = decodePem(pem, 'CERTIFICATE')
  if (!blocks.ok) return fail('trust bundle', blocks.problems[0]?.message ?? 'is not PEM')
  const unique = new Map(blocks.value.map((der) => [der.toString('base64'), der]))
  const roots: TrustedRoot[] = []
  for (const der of unique.values()) {
    const facts = readCertificate(der)
    if (!facts.ok) return facts
    if (!facts.value.isAuthority) return fail('trust bundle', 'contains a certificate that is not an authority')
    const { certificate } = facts.value
    const publicKey = publicKeyOf(certificate)
    if (publicKey === undefined) return fail('trust bundle', 'contains a certificate whose public key cannot be read')
    roots.push({ certificate, publicKey })
  }
  const text = roots.map(({ certificate }) => encodePem('CERTIFICATE', certificate.raw)).join('')
  return succeed({ roots, pem: text, hash: contentHash(text) })
}

/** OpenSSL takes a certificate before it has understood the key in it, and throws when it is asked for. */
function publicKeyOf(certificate: X509Certificate): KeyObject | undefined {
  try {
    return certificate.publicKey
  } catch {
    return undefined
  }
}

/** Why the bundle does not vouch for this leaf now, or undefined when it does. Leaves are signed by a root directly. */
export function whyUntrusted(bundle: TrustBundle, leaf: CertificateFacts, nowMs: number): string | undefined {
  if (nowMs > leaf.notAfterMs) return `the certificate expired at ${new Date(leaf.notAfterMs).toISOString()}`
  if (nowMs < leaf.notBeforeMs) return `the certificate is valid from ${new Date(leaf.notBeforeMs).toISOString()} only`
  const { certificate } = leaf
  const signedByRoot = bundle.roots.some((root) => certificate.checkIssued(root.certificate) && certificate.verify(root.publicKey))
  return signedByRoot ? undefined : 'the certificate is not signed by a root of this mesh'
}
