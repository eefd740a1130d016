// The roots that a trust domain's certificates are verified against, and the question whether a certificate is one of theirs.
// Used by the CA and the xDS server for peers, beside what TLS verified: a resumed TLS session must not outlive its root or its certificate.
// Invariant: a bundle holds at least one certificate authority, each exactly once.
import { X509Certificate } from 'node:crypto'
import { contentHash } from '../base/content-hash.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import { readCertificate } from './certificate.ts'
import { decodePem, encodePem } from './pem.ts'

export interface TrustBundle {
  readonly roots: readonly X509Certificate[]
  /** All roots, PEM, in order. */
  readonly pem: string
  /** Equal bundles have equal hashes: proxies report it during a root rotation. */
  readonly hash: string
}

export function parseTrustBundle(pem: string): Result<TrustBundle> {
  const blocks = decodePem(pem, 'CERTIFICATE')
  if (!blocks.ok) return fail('trust bundle', blocks.problems[0]?.message ?? 'is not PEM')
  const unique = new Map(blocks.value.map((der) => [der.toString('base64'), der]))
  const roots: X509Certificate[] = []
  for (const der of unique.values()) {
    const facts = readCertificate(der)
    if (!facts.ok) return facts
    if (!facts.value.isAuthority) return fail('trust bundle', 'contains a certificate that is not an authority')
    roots.push(new X509Certificate(der))
  }
  const text = roots.map((root) => encodePem('CERTIFICATE', root.raw)).join('')
  return succeed({ roots, pem: text, hash: contentHash(text) })
}

/** Why the bundle does not vouch for this leaf now, or undefined when it does. Leaves are signed by a root directly. */
export function whyUntrusted(bundle: TrustBundle, leafDer: Buffer, nowMs: number): string | undefined {
  const facts = readCertificate(leafDer)
  if (!facts.ok) return facts.problems[0]?.message
  if (nowMs > facts.value.notAfterMs) return `the certificate expired at ${new Date(facts.value.notAfterMs).toISOString()}`
  if (nowMs < facts.value.notBeforeMs) return `the certificate is valid from ${new Date(facts.value.notBeforeMs).toISOString()} only`
  const leaf = new X509Certificate(leafDer)
  const signedByRoot = bundle.roots.some((root) => leaf.checkIssued(root) && leaf.verify(root.publicKey))
  return signedByRoot ? undefined : 'the certificate is not signed by a root of this mesh'
}
