// A certificate authority as a set of files: reads, checks, and says what is wrong in the file's own name. Called by authority.ts with what
// a folder or a Secret holds, and by roots.ts for the mesh's own root. Pure.
// Invariant: a CaSet can issue: its key signs for its certificate, which may sign leaves, is valid now, and chains to a root of its bundle.
import { createPrivateKey, type KeyObject } from 'node:crypto'
import { contentHash } from '../base/content-hash.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import { type CertificateFacts, readCertificate } from '../identity/certificate.ts'
import { encodePem } from '../identity/pem.ts'
import { parseTrustBundle, pathToRoot, type TrustBundle, whyNotNow } from '../identity/trust-bundle.ts'
import { createSigner, type Signer } from '../identity/x509.ts'

export interface CaSet {
  readonly source: 'self-signed' | 'plugged-in'
  readonly signer: Signer
  /** The certificate that signs leaves. */
  readonly issuer: CertificateFacts
  /** What proves a leaf beside the roots, PEM, the issuer first; empty when a root signs leaves itself. */
  readonly chainPem: readonly string[]
  /** The same certificates, read. */
  readonly authorities: readonly CertificateFacts[]
  /** The root that the issuer chains to. */
  readonly root: CertificateFacts
  readonly bundle: TrustBundle
  /** When the first certificate between leaf and root ends: no leaf may live longer. */
  readonly notAfterMs: number
  /** Equal sets have equal hashes. */
  readonly hash: string
}

/** Istio's names, then those of cert-manager and Kubernetes' TLS Secrets, which Istio reads too. */
const LAYOUTS = [
  { certificate: 'ca-cert.pem', key: 'ca-key.pem', roots: 'root-cert.pem', chain: 'cert-chain.pem' },
  { certificate: 'tls.crt', key: 'tls.key', roots: 'ca.crt', chain: undefined },
] as const
type Layout = (typeof LAYOUTS)[number]

/** Every name that is read; whoever fills the map need not look at others. */
export const CA_FILE_NAMES: readonly string[] = [
  'ca-crl.pem',
  ...LAYOUTS.flatMap(({ certificate, key, roots, chain }) => [certificate, key, roots, ...(chain === undefined ? [] : [chain])]),
]

/** Far above any chain; a file that is larger was not meant to be here. */
export const MAX_CA_FILE_BYTES = 256 * 1024

export type CaFiles = ReadonlyMap<string, Uint8Array>

export function readCaSet(files: CaFiles, nowMs: number, source: CaSet['source'] = 'plugged-in'): Result<CaSet> {
  for (const [name, bytes] of files)
    if (bytes.length > MAX_CA_FILE_BYTES) return fail(name, `has ${bytes.length} bytes; at most ${MAX_CA_FILE_BYTES} are read`)
  const layout = LAYOUTS.find(({ certificate, key }) => files.has(certificate) || files.has(key)) ?? LAYOUTS[0]
  for (const name of [layout.certificate, layout.key, layout.roots]) {
    if (!files.has(name)) return fail(name, `is missing; a plugged-in CA needs ${layout.certificate}, ${layout.key} and ${layout.roots}`)
  }
  const own = readIssuer(files, layout, nowMs)
  if (!own.ok) return own
  const bundle = readRoots(files, layout)
  if (!bundle.ok) return bundle
  const between = readBetween(files, layout)
  if (!between.ok) return between
  return assembleCaSet(source, own.value.key, own.value.issuer, bundle.value, between.value, nowMs, layout)
}

/** @param layout the names for messages. */
export function assembleCaSet(
  source: CaSet['source'],
  key: KeyObject,
  issuer: CertificateFacts,
  bundle: TrustBundle,
  between: readonly CertificateFacts[],
  nowMs: number,
  layout: Layout = LAYOUTS[0],
): Result<CaSet> {
  const signer = createSigner(key, issuer)
  if (signer === undefined) {
    return fail(
      layout.key,
      'is of a kind that certificates are not signed with here; use EC on P-256, P-384 or P-521, or RSA of 2048 bits or more',
    )
  }
  const isRoot = bundle.roots.some(({ certificate }) => certificate.raw.equals(issuer.certificate.raw))
  const path = isRoot ? [issuer] : [issuer, ...(pathToRoot(bundle, issuer, nowMs, between) ?? [])]
  const root = path.at(-1)
  if (root === undefined || (!isRoot && path.length === 1)) return fail(layout.roots, whyNoPath(issuer, bundle, between, nowMs, layout))
  const authorities = path.slice(0, -1)
  const chainPem = authorities.map(pemOf)
  return succeed({
    ...{ source, signer, issuer, chainPem, authorities, root, bundle },
    notAfterMs: Math.min(...path.map(({ notAfterMs }) => notAfterMs)),
    hash: contentHash([pemOf(issuer), ...chainPem, bundle.pem].join('')),
  })
}

export function pemOf({ certificate }: CertificateFacts): string {
  return encodePem('CERTIFICATE', certificate.raw)
}

/** The block of the bundle that the set chains to. */
export function rootPemOf({ root }: CaSet): string {
  return pemOf(root)
}

function readIssuer(files: CaFiles, layout: Layout, nowMs: number): Result<{ readonly key: KeyObject; readonly issuer: CertificateFacts }> {
  const key = readKey(textOf(files, layout.key))
  if (key === undefined) return fail(layout.key, 'holds no private key that can be read; it must be PEM without a passphrase')
  const certificates = readAll(files, layout.certificate)
  if (!certificates.ok) return certificates
  const [issuer] = certificates.value
  const why = issuer === undefined ? 'holds no certificate' : whyNotIssuer(issuer, key, layout, nowMs)
  return issuer === undefined || why !== undefined ? fail(layout.certificate, why ?? '') : succeed({ key, issuer })
}

function whyNotIssuer(issuer: CertificateFacts, key: KeyObject, layout: Layout, nowMs: number): string | undefined {
  if (!issuer.isAuthority) return 'is no certificate authority; it needs basicConstraints CA:TRUE, and keyCertSign where it has a keyUsage'
  const outOfTime = whyNotNow(issuer, nowMs)
  if (outOfTime !== undefined) return `${outOfTime}; have it issued anew`
  return issuer.certificate.checkPrivateKey(key) ? undefined : `does not belong to the key in ${layout.key}; put both of one pair there`
}

function readRoots(files: CaFiles, layout: Layout): Result<TrustBundle> {
  const roots = readAll(files, layout.roots)
  if (!roots.ok) return roots
  const wrong = roots.value.find(({ isAuthority }) => !isAuthority)
  if (wrong !== undefined) return fail(layout.roots, `holds a certificate that is no authority (serial ${wrong.serial}); leave it out`)
  const bundle = parseTrustBundle(roots.value.map(pemOf).join(''))
  return bundle.ok ? bundle : fail(layout.roots, bundle.problems[0]?.message ?? '')
}

/** What may stand between issuer and root: the chain file, and what follows the issuer in its own file. */
function readBetween(files: CaFiles, layout: Layout): Result<readonly CertificateFacts[]> {
  const beside = readAll(files, layout.certificate)
  if (!beside.ok || layout.chain === undefined || !files.has(layout.chain)) return beside
  const chain = readAll(files, layout.chain)
  return chain.ok ? succeed([...beside.value, ...chain.value]) : chain
}

function whyNoPath(
  issuer: CertificateFacts,
  bundle: TrustBundle,
  between: readonly CertificateFacts[],
  nowMs: number,
  layout: Layout,
): string {
  const expired = [...bundle.roots.map(({ facts }) => facts), ...between].find((facts) => whyNotNow(facts, nowMs) !== undefined)
  if (expired !== undefined)
    return `the chain of ${layout.certificate} to it does not hold: the certificate with serial ${expired.serial} ${whyNotNow(expired, nowMs)}`
  const named = issuer.certificate.issuer.replaceAll('\n', ', ')
  return (
    `does not hold the root that ${layout.certificate} chains to (its issuer is '${named}'); put that root there, the certificates between ` +
    `into ${layout.chain ?? layout.certificate}, each an authority whose path length allows for those below it`
  )
}

function readKey(text: string): KeyObject | undefined {
  try {
    return createPrivateKey(text)
  } catch {
    return undefined
  }
}

/** Tools write text around the blocks (`openssl ca` does); it is not read. */
function readAll(files: CaFiles, name: string): Result<readonly CertificateFacts[]> {
  const blocks = textOf(files, name).match(/-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----/g) ?? []
  if (blocks.length === 0) return fail(name, 'holds no certificate in PEM')
  const all: CertificateFacts[] = []
  for (const [index, block] of blocks.entries()) {
    const facts = readCertificate(block)
    if (!facts.ok) return fail(name, `its certificate ${index + 1} cannot be read: ${facts.problems[0]?.message}`)
    all.push(facts.value)
  }
  return succeed(all)
}

function textOf(files: CaFiles, name: string): string {
  return Buffer.from(files.get(name) ?? []).toString('latin1')
}
