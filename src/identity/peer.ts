// Whose certificate a peer presented, when this mesh vouches for it. Asked by the CA and the xDS server beside what TLS verified.
import { fail, type Result } from '../base/result.ts'
import { readCertificate, spiffeIdOf } from './certificate.ts'
import { type SpiffeId, trustDomainOf } from './spiffe-id.ts'
import { type TrustBundle, whyUntrusted } from './trust-bundle.ts'

export interface Trust {
  readonly trustDomain: string
  readonly bundle: TrustBundle
}

export function verifyPeer(certificateDer: Buffer, trust: Trust, nowMs: number): Result<SpiffeId> {
  const facts = readCertificate(certificateDer)
  if (!facts.ok) return facts
  const untrusted = whyUntrusted(trust.bundle, facts.value, nowMs)
  if (untrusted !== undefined) return fail('certificate', untrusted)
  const identity = spiffeIdOf(facts.value)
  if (!identity.ok) return identity
  const domain = trustDomainOf(identity.value)
  return domain === trust.trustDomain
    ? identity
    : fail('certificate', `belongs to the trust domain '${domain}', this mesh is '${trust.trustDomain}'`)
}
