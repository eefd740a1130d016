// Turns a public key and names into a certificate: for workloads (sign-certificate.ts) and for the control plane itself.
// Asks for the authority at every certificate, so that a rotation takes effect with the next one.
// Invariant: no leaf outlives what signed it or the cap, and every serial is fresh.
import { generateKeyPairSync, randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { encodePem } from '../identity/pem.ts'
import { issueLeaf, type SubjectAltName } from '../identity/x509.ts'
import type { CaSet } from './ca-set.ts'

export const LEAF_VALIDITY_MS = 24 * 3_600_000
/** Clocks of workloads may be behind ours. Never more than a tenth of the life, or 'half of its life' would lie in the past at birth. */
const BACKDATE_MS = 120_000
const MAX_BACKDATED_SHARE = 0.1

export interface IssuedCertificate {
  /** PEM: the leaf, then what stands between it and its root. */
  readonly chain: readonly string[]
  /** All roots that whoever gets this certificate must trust now, PEM. */
  readonly rootsPem: string
  readonly serial: string
  readonly notAfterMs: number
}

export interface Issuer {
  /** @param validityMs what the caller asked for; 0 or more than the cap gives the cap. */
  issue(publicKeyDer: Buffer, names: readonly SubjectAltName[], validityMs?: number): IssuedCertificate
  /** A new P-256 key with a certificate, for the control plane's own server. */
  issueWithKey(names: readonly SubjectAltName[]): IssuedCertificate & { readonly keyPem: string }
}

export interface IssuerOptions {
  /** What signs now. */
  readonly ca: () => CaSet
  /** What is trusted now, PEM; undefined: the roots of the authority. */
  readonly rootsPem?: () => string
  readonly clock: Clock
  /** The cap, and what is given when nobody asks for less. */
  readonly maxValidityMs?: number
}

export function createIssuer({ ca, rootsPem, clock, maxValidityMs = LEAF_VALIDITY_MS }: IssuerOptions): Issuer {
  const issue = (publicKeyDer: Buffer, names: readonly SubjectAltName[], validityMs = 0): IssuedCertificate => {
    const { signer, chainPem, bundle, notAfterMs: authorityNotAfterMs } = ca()
    const nowMs = clock.nowMs()
    const wantedMs = validityMs > 0 ? Math.min(validityMs, maxValidityMs) : maxValidityMs
    const notAfterMs = Math.floor(Math.min(nowMs + wantedMs, authorityNotAfterMs) / 1000) * 1000
    const notBeforeMs = nowMs - Math.min(BACKDATE_MS, wantedMs * MAX_BACKDATED_SHARE)
    const serial = randomBytes(16)
    const der = issueLeaf(signer, { publicKeyDer, names, serial, notBeforeMs, notAfterMs })
    const chain = [encodePem('CERTIFICATE', der), ...chainPem]
    return { chain, rootsPem: rootsPem?.() ?? bundle.pem, serial: serial.toString('hex'), notAfterMs }
  }
  return {
    issue,
    issueWithKey(names) {
      const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'prime256v1' })
      const issued = issue(publicKey.export({ type: 'spki', format: 'der' }), names)
      return { ...issued, keyPem: String(privateKey.export({ type: 'pkcs8', format: 'pem' })) }
    },
  }
}
