// The roots that a trust domain's certificates are verified against, and the question whether a certificate is one of theirs.
// Used by the CA and the xDS server for peers, beside what TLS verified: a resumed TLS session must not outlive its root or its certificate.
// Invariant: a bundle holds at least one certificate authority, each exactly once.
import type { KeyObject, X509Certificate } from 'node:crypto'
import { contentHash } from '../base/content-hash.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import { type CertificateFacts, readCertificate } from './certificate.ts'
import { decodePem, encodePem } from './pem.ts'

export interface TrustedRoot {
  readonly facts: CertificateFacts
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
    roots.push({ facts: facts.value, certificate, publicKey })
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

/** All roots of both, each once. */
export function joinBundles(bundle: TrustBundle, ...others: readonly TrustBundle[]): TrustBundle {
  const joined = parseTrustBundle([bundle, ...others].map(({ pem }) => pem).join(''))
  return joined.ok ? joined.value : bundle
}

/** Authorities between leaf and root; a chain that is longer is nobody's. */
const MAX_INTERMEDIATES = 5

/** Why the bundle does not vouch for this leaf now, or undefined when it does.
 *  @param authorities what may stand between the leaf and a root; none of them is trusted for being here. */
export function whyUntrusted(
  bundle: TrustBundle,
  leaf: CertificateFacts,
  nowMs: number,
  authorities: readonly CertificateFacts[] = [],
): string | undefined {
  const outOfTime = whyNotNow(leaf, nowMs)
  if (outOfTime !== undefined) return `the certificate ${outOfTime}`
  return pathToRoot(bundle, leaf, nowMs, authorities) === undefined ? 'the certificate is not signed by a root of this mesh' : undefined
}

/** 'expired at ...' or 'is valid from ... only', or undefined when it is valid now. */
export function whyNotNow({ notBeforeMs, notAfterMs }: CertificateFacts, nowMs: number): string | undefined {
  if (nowMs > notAfterMs) return `expired at ${new Date(notAfterMs).toISOString()}`
  return nowMs < notBeforeMs ? `is valid from ${new Date(notBeforeMs).toISOString()} only` : undefined
}

/** What signed the certificate, upwards, the root last; undefined when no valid path leads to a root. RFC 5280 6.1 as far as it applies
 *  to certificates that TLS verified before: signatures, times, authority, path length. */
export function pathToRoot(
  bundle: TrustBundle,
  certificate: CertificateFacts,
  nowMs: number,
  authorities: readonly CertificateFacts[],
): readonly CertificateFacts[] | undefined {
  const path: CertificateFacts[] = []
  let current = certificate
  // Authorities below the issuer that is looked for; a certificate that is one itself counts.
  for (let below = certificate.isAuthority ? 1 : 0; below <= MAX_INTERMEDIATES; below++) {
    const root = bundle.roots.find(({ facts, publicKey }) => maySign(facts, below, nowMs) && signed(facts, publicKey, current))
    if (root !== undefined) return [...path, root.facts]
    const issuer = authorities.find((facts) => maySign(facts, below, nowMs) && signed(facts, publicKeyOf(facts.certificate), current))
    if (issuer === undefined) return undefined
    path.push(issuer)
    current = issuer
  }
  return undefined
}

function maySign(facts: CertificateFacts, below: number, nowMs: number): boolean {
  const { isAuthority, pathLength = below } = facts
  return isAuthority && pathLength >= below && whyNotNow(facts, nowMs) === undefined
}

function signed({ certificate }: CertificateFacts, publicKey: KeyObject | undefined, subject: CertificateFacts): boolean {
  return publicKey !== undefined && subject.certificate.checkIssued(certificate) && subject.certificate.verify(publicKey)
}
