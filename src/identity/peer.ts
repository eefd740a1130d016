// Whose certificate a peer presented, when this mesh vouches for it. Asked by the CA and the xDS server beside what TLS verified.
// Invariant: an identity of another trust domain is never accepted; an alias is a name of this mesh's own domain, not another domain.
import { fail, type Result } from '../base/result.ts'
import { type CertificateFacts, readCertificate, spiffeIdOf } from './certificate.ts'
import { parseSpiffeId, type SpiffeId, trustDomainOf } from './spiffe-id.ts'
import { type TrustBundle, whyUntrusted } from './trust-bundle.ts'

export interface Trust {
  readonly trustDomain: string
  /** Other names of this trust domain: those that it had before (MeshConfig `trustDomainAliases`). */
  readonly aliases?: readonly string[]
  readonly bundle: TrustBundle
  /** Authorities between a root and leaves that this mesh issued itself: a resumed TLS session shows a leaf without its chain. */
  readonly authorities?: readonly CertificateFacts[]
}

/** @param chain DER of what the peer sent beside its own certificate. */
export function verifyPeer(certificateDer: Buffer, trust: Trust, nowMs: number, chain: readonly Buffer[] = []): Result<SpiffeId> {
  const facts = readCertificate(certificateDer)
  if (!facts.ok) return facts
  return verifyFacts(facts.value, trust, nowMs, chain)
}

/** The same, for whoever has read the certificate already. */
export function verifyFacts(facts: CertificateFacts, trust: Trust, nowMs: number, chain: readonly Buffer[] = []): Result<SpiffeId> {
  const sent = chain.flatMap((der) => {
    const read = readCertificate(der)
    return read.ok ? [read.value] : []
  })
  const untrusted = whyUntrusted(trust.bundle, facts, nowMs, [...(trust.authorities ?? []), ...sent])
  if (untrusted !== undefined) return fail('certificate', untrusted)
  const identity = spiffeIdOf(facts)
  if (!identity.ok) return identity
  const domain = trustDomainOf(identity.value)
  return isOwnDomain(domain, trust)
    ? identity
    : fail('certificate', `belongs to the trust domain '${domain}', this mesh is '${trust.trustDomain}'`)
}

function isOwnDomain(domain: string, { trustDomain, aliases = [] }: Trust): boolean {
  return domain === trustDomain || aliases.includes(domain)
}

/** The same workload under the mesh's present name. Ids of other trust domains stay as they are. */
export function underOwnName(id: SpiffeId, trust: Trust): SpiffeId {
  const domain = trustDomainOf(id)
  if (domain === trust.trustDomain || !isOwnDomain(domain, trust)) return id
  const renamed = parseSpiffeId(`spiffe://${trust.trustDomain}${id.slice(`spiffe://${domain}`.length)}`)
  return renamed.ok ? renamed.value : id
}
