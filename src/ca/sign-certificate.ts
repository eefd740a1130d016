// One certificate request from arrival to answer, without the wire: who asks, what for, may he, issue. Called by sign-service.ts.
// Invariant: the certificate is for the authenticated caller; a request that asks for another identity is refused, not corrected.
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { Result } from '../base/result.ts'
import { parseCsr } from '../identity/csr.ts'
import type { Trust } from '../identity/peer.ts'
import { authenticate, type Credentials } from './authenticate.ts'
import type { CaMetrics, RefusalKind } from './ca-metrics.ts'
import type { Issuer } from './issuer.ts'
import type { JoinTokens } from './join-tokens.ts'

export interface CertificateAuthority {
  readonly issuer: Issuer
  readonly tokens: JoinTokens
  readonly trust: Trust
  readonly clock: Clock
  readonly metrics: CaMetrics
  /** The audit log: one line per issue and per refusal. */
  readonly log: Logger
}

export interface SignRequest extends Credentials {
  readonly csrPem: string
  /** 0: as long as allowed. */
  readonly validitySeconds: number
  /** Where the caller's connection comes from, for the audit line. */
  readonly from: string
}

export type SignOutcome =
  | { readonly issued: true; readonly chain: readonly string[] }
  | { readonly issued: false; readonly kind: RefusalKind; readonly reason: string }

export function signCertificate(ca: CertificateAuthority, request: SignRequest): SignOutcome {
  ca.metrics.requests++
  const caller = authenticate(request, ca.tokens, ca.trust, ca.clock)
  if (!caller.ok) return refuse(ca, request, 'unauthenticated', reasonOf(caller))
  const { identity, by } = caller.value
  const csr = parseCsr(request.csrPem)
  if (!csr.ok) return refuse(ca, request, 'malformed-request', `the certificate request ${reasonOf(csr)}`, identity)
  if (csr.value.requested !== identity) {
    const reason = `the request asks for ${csr.value.requested}, but the ${by} is for ${identity}; a workload gets a certificate for itself only`
    return refuse(ca, request, 'identity-mismatch', reason, identity)
  }
  const consumed = caller.value.consume()
  if (!consumed.ok) return refuse(ca, request, 'unauthenticated', reasonOf(consumed), identity)
  const { chain, serial, notAfterMs } = ca.issuer.issue(csr.value.publicKeyDer, [{ uri: identity }], request.validitySeconds * 1000)
  ca.metrics.issued++
  ca.log.info('certificate issued', { identity, by, serial, notAfter: new Date(notAfterMs).toISOString(), from: request.from })
  return { issued: true, chain }
}

function refuse(ca: CertificateAuthority, request: SignRequest, kind: RefusalKind, reason: string, identity?: string): SignOutcome {
  ca.metrics.refused[kind]++
  ca.log.warn('certificate refused', { ...(identity === undefined ? {} : { identity }), kind, reason, from: request.from })
  return { issued: false, kind, reason }
}

function reasonOf(result: Result<unknown>): string {
  return result.ok ? '' : (result.problems[0]?.message ?? 'unknown')
}
