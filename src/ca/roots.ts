// The mesh's root: made on the first start, kept in the state folder, the same after every restart. Called once by the composition root.
// Invariant: the key and the certificate on disk belong together; a root that workloads may trust already is never replaced silently.
import { createPrivateKey, createPublicKey, generateKeyPairSync, type KeyObject, randomBytes } from 'node:crypto'
import { join } from 'node:path'
import type { Clock } from '../base/clock.ts'
import { LateenError } from '../base/errors.ts'
import { type CertificateFacts, readCertificate } from '../identity/certificate.ts'
import { encodePem } from '../identity/pem.ts'
import { parseTrustBundle, type TrustBundle } from '../identity/trust-bundle.ts'
import { issueRoot, keyIdOf, type Signer } from '../identity/x509.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

const DAY_MS = 86_400_000
/** Istio's: ten years. */
const ROOT_VALIDITY_MS = 3650 * DAY_MS
/** Clocks of workloads may be behind ours. */
const BACKDATE_MS = 120_000

export interface Root {
  readonly signer: Signer
  readonly certificatePem: string
  readonly bundle: TrustBundle
  readonly notAfterMs: number
}

export interface RootOptions {
  /** The state folder; the root lives in its subfolder `ca`, in files named as Istio's `cacerts`. */
  readonly stateFolder: string
  readonly trustDomain: string
  readonly clock: Clock
}

export function openRoot(options: RootOptions): Root {
  const keyPath = join(options.stateFolder, 'ca', 'ca-key.pem')
  const certificatePath = join(options.stateFolder, 'ca', 'root-cert.pem')
  const keyPem = readPrivateFile(keyPath)
  const certificatePem = readPrivateFile(certificatePath)
  if (keyPem !== undefined && certificatePem !== undefined) return existingRoot(keyPem, certificatePem, keyPath, certificatePath)
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
  const validity = { notBeforeMs: nowMs - BACKDATE_MS, notAfterMs: nowMs + ROOT_VALIDITY_MS }
  const issued = encodePem('CERTIFICATE', issueRoot(key, options.trustDomain, randomBytes(16), validity))
  writePrivateFile(certificatePath, issued)
  return assemble(key, issued, certificatePath)
}

function existingRoot(keyPem: string, certificatePem: string, keyPath: string, certificatePath: string): Root {
  const root = assemble(createPrivateKey(keyPem), certificatePem, certificatePath)
  if (
    !publicDer(root.signer.privateKey).equals(
      factsOf(certificatePem, certificatePath).certificate.publicKey.export({ type: 'spki', format: 'der' }),
    )
  ) {
    throw new LateenError('ROOT_MISMATCH', `${keyPath} is not the key of ${certificatePath}; restore the pair from one backup`)
  }
  return root
}

function assemble(privateKey: KeyObject, certificatePem: string, certificatePath: string): Root {
  const facts = factsOf(certificatePem, certificatePath)
  const bundle = parseTrustBundle(certificatePem)
  if (!bundle.ok) throw new LateenError('ROOT_UNREADABLE', `${certificatePath}: ${bundle.problems[0]?.message}`)
  const signer = { privateKey, nameDer: facts.subjectDer, keyId: keyIdOf(publicDer(privateKey)) }
  return { signer, certificatePem: bundle.value.pem, bundle: bundle.value, notAfterMs: facts.notAfterMs }
}

function factsOf(certificatePem: string, path: string): CertificateFacts {
  const facts = readCertificate(certificatePem)
  if (!facts.ok) throw new LateenError('ROOT_UNREADABLE', `${path} cannot be read: ${facts.problems[0]?.message}; restore it from a backup`)
  return facts.value
}

function publicDer(privateKey: KeyObject): Buffer {
  return createPublicKey(privateKey).export({ type: 'spki', format: 'der' })
}
