// The mesh's root: made on the first start, kept in the state folder, the same after every restart. Called once, by
// authority.ts, when no CA is plugged in.
// Invariant: the key and the certificate on disk belong together; a root that workloads may trust already is never replaced silently.
import { createPrivateKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { LateenError } from '../base/errors.ts'
import { type CertificateFacts, readCertificate } from '../identity/certificate.ts'
import { encodePem } from '../identity/pem.ts'
import { parseTrustBundle } from '../identity/trust-bundle.ts'
import { issueRoot } from '../identity/x509.ts'
import { assembleCaSet, type CaSet } from './ca-set.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

const DAY_MS = 86_400_000
/** Istio's: ten years. */
const ROOT_VALIDITY_MS = 3650 * DAY_MS
/** Clocks of workloads may be behind ours. */
const BACKDATE_MS = 120_000

export interface RootOptions {
  /** The state folder; the root lives in its subfolder `ca`, in files named as Istio's `cacerts`. */
  readonly stateFolder: string
  readonly trustDomain: string
  readonly clock: Clock
}

export function openRoot(options: RootOptions): CaSet {
  const keyPath = join(options.stateFolder, 'ca', 'ca-key.pem')
  const certificatePath = join(options.stateFolder, 'ca', 'root-cert.pem')
  const keyPem = readPrivateFile(keyPath)
  const certificatePem = readPrivateFile(certificatePath)
  if (keyPem !== undefined && certificatePem !== undefined) {
    return existingRoot(keyPem, certificatePem, keyPath, certificatePath, options.clock.nowMs())
  }
  if (certificatePem !== undefined) {
    throw new LateenError(
      'ROOT_WITHOUT_KEY',
      `${certificatePath} is there but its key ${keyPath} is not; restore the key, or remove the folder to start a new mesh`,
    )
  }
  // The key is written first: a crash before the certificate leaves a key that nobody trusts yet, and the next start goes on with it.
  const key = keyPem === undefined ? generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).privateKey : createPrivateKey(keyPem)
  if (keyPem === undefined) writePrivateFile(keyPath, String(key.export({ type: 'pkcs8', format: 'pem' })))
  const nowMs = options.clock.nowMs()
  const issued = selfSigned(key, options.trustDomain, nowMs)
  writePrivateFile(certificatePath, issued)
  return assemble(key, issued, certificatePath, nowMs)
}

function selfSigned(key: KeyObject, trustDomain: string, nowMs: number): string {
  const validity = { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + ROOT_VALIDITY_MS }
  return encodePem('CERTIFICATE', issueRoot(key, trustDomain, randomBytes(16), validity))
}

/** A new root that is kept elsewhere than in files, under the same names. */
export function makeRoot(trustDomain: string, nowMs: number): Readonly<Record<'ca-cert.pem' | 'ca-key.pem' | 'root-cert.pem', string>> {
  const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
  const certificate = selfSigned(privateKey, trustDomain, nowMs)
  const key = String(privateKey.export({ type: 'pkcs8', format: 'pem' }))
  return { 'ca-cert.pem': certificate, 'ca-key.pem': key, 'root-cert.pem': certificate }
}

function existingRoot(keyPem: string, certificatePem: string, keyPath: string, certificatePath: string, nowMs: number): CaSet {
  const key = createPrivateKey(keyPem)
  if (!factsOf(certificatePem, certificatePath).certificate.checkPrivateKey(key)) {
    throw new LateenError('ROOT_MISMATCH', `${keyPath} is not the key of ${certificatePath}; restore the pair from one backup`)
  }
  return assemble(key, certificatePem, certificatePath, nowMs)
}

function assemble(key: KeyObject, certificatePem: string, certificatePath: string, nowMs: number): CaSet {
  const bundle = parseTrustBundle(certificatePem)
  if (!bundle.ok) throw new LateenError('ROOT_UNREADABLE', `${certificatePath}: ${bundle.problems[0]?.message}`)
  const set = assembleCaSet('self-signed', key, factsOf(certificatePem, certificatePath), bundle.value, [], nowMs)
  if (!set.ok) throw new LateenError('ROOT_UNREADABLE', `${certificatePath}: ${set.problems[0]?.message}`)
  return set.value
}

function factsOf(certificatePem: string, path: string): CertificateFacts {
  const facts = readCertificate(certificatePem)
  if (!facts.ok) throw new LateenError('ROOT_UNREADABLE', `${path} cannot be read: ${facts.problems[0]?.message}; restore it from a backup`)
  return facts.value
}
