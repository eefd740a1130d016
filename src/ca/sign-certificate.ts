// One certificate request from arrival to answer, without the wire: who asks, how often, what for, may he, issue. Called by sign-service.ts.
// Invariants: the certificate is for the authenticated caller; a request that asks for another identity is refused, not corrected; every
// request leaves exactly one line in the audit log, whatever becomes of it.
import type { Clock } from '../base/clock.ts'
import { errorMessage } from '../base/errors.ts'
import type { Logger } from '../base/log.ts'
import type { Result } from '../base/result.ts'
import { type ParsedCsr, parseCsr } from '../identity/csr.ts'
import { type Trust, underOwnName } from '../identity/peer.ts'
import { authenticate, type Caller, type Credentials } from './authenticate.ts'
import type { CaMetrics, RefusalKind } from './ca-metrics.ts'
import type { IssuedCertificate, Issuer } from './issuer.ts'
import type { JoinTokens } from './join-tokens.ts'
import type { RateLimit } from './rate-limit.ts'
import type { TokenReviews } from './token-review.ts'

export interface CertificateAuthority {
  readonly issuer: Issuer
  /** How workloads without a certificate prove who they are; neither: only renewals. */
  readonly tokens?: JoinTokens | undefined
  readonly reviews?: TokenReviews | undefined
  /** What is trusted now; the same object as long as nothing changes. */
  readonly trust: () => Trust
  readonly rateLimit: RateLimit
  readonly clock: Clock
  readonly metrics: CaMetrics
  /** The audit log: one line per issue and per refusal. */
  readonly log: Logger
}

export interface SignRequest extends Credentials {
  /** Undefined: the message could not be read. */
  readonly csrPem: string | undefined
  /** 0: as long as allowed. */
  readonly validitySeconds: number
  /** Where the caller's connection comes from, for the audit line. */
  readonly from: string
}

export type SignOutcome =
  | { readonly issued: true; readonly chain: readonly string[] }
  | { readonly issued: false; readonly kind: RefusalKind; readonly reason: string }

/** Never rejects: what fails unexpectedly is a refusal that names nothing of our inside. */
export async function signCertificate(ca: CertificateAuthority, request: SignRequest): Promise<SignOutcome> {
  ca.metrics.requests++
  const known: AuditFields = {}
  try {
    return await decide(ca, request, known)
  } catch (error) {
    const outcome = refuse(ca, request, known, 'internal', 'the certificate authority failed; its log says why')
    ca.log.error('certificate request failed', { ...known, reason: errorMessage(error), from: request.from })
    return outcome
  }
}

/** What the audit line says beside the outcome, as far as it was found out. */
interface AuditFields {
  identity?: string
  by?: Caller['by']
  pod?: string
  requested?: string
}

async function decide(ca: CertificateAuthority, request: SignRequest, known: AuditFields): Promise<SignOutcome> {
  const trust = ca.trust()
  const { tokens, reviews, clock } = ca
  const caller = await authenticate(request, { tokens, reviews, trust, clock })
  if (!caller.ok) return refuse(ca, request, known, caller.isOurs === true ? 'unavailable' : 'unauthenticated', reasonOf(caller))
  const { identity, by, pod } = caller.value
  known.identity = identity
  known.by = by
  const named = pod === undefined ? {} : { pod }
  Object.assign(known, named)
  const waitMs = ca.rateLimit.take(identity)
  if (waitMs > 0) {
    const reason = `${identity} asks for certificates too often; try again in ${(waitMs / 1000).toFixed(1)} s, and then renew at half of a certificate's life`
    return refuse(ca, request, known, 'rate-limited', reason)
  }
  if (request.csrPem === undefined) return refuse(ca, request, known, 'malformed-request', 'the message is not an IstioCertificateRequest')
  const csr = parseCsr(request.csrPem)
  if (!csr.ok) return refuse(ca, request, known, 'malformed-request', `the certificate request ${reasonOf(csr)}`)
  const { requested } = csr.value
  known.requested = requested
  // Who holds a certificate under a former name of the trust domain may renew it, or take the same identity under the present name.
  if (requested !== identity && requested !== underOwnName(identity, trust)) {
    const reason = `the request asks for ${requested}, but the ${by} is for ${identity}; a workload gets a certificate for itself only`
    return refuse(ca, request, known, 'identity-mismatch', reason)
  }
  const consumed = await caller.value.consume()
  if (!consumed.ok) return refuse(ca, request, known, 'unauthenticated', reasonOf(consumed))
  const { chain, rootsPem, serial, notAfterMs } = issue(ca, csr.value, request)
  ca.metrics.issued++
  const until = new Date(notAfterMs).toISOString()
  ca.log.info('certificate issued', { identity: requested, by, ...named, caller: identity, serial, notAfter: until, from: request.from })
  return { issued: true, chain: [...chain, rootsPem] }
}

function issue(ca: CertificateAuthority, { publicKeyDer, requested }: ParsedCsr, { validitySeconds }: SignRequest): IssuedCertificate {
  try {
    return ca.issuer.issue(publicKeyDer, [{ uri: requested }], validitySeconds * 1000)
  } catch (error) {
    ca.metrics.signErrors++
    throw error
  }
}

function refuse(ca: CertificateAuthority, { from }: SignRequest, known: AuditFields, kind: RefusalKind, reason: string): SignOutcome {
  ca.metrics.refused[kind]++
  ca.log.warn('certificate refused', { ...known, kind, reason, from })
  return { issued: false, kind, reason }
}

function reasonOf(result: Result<unknown>): string {
  return result.ok ? '' : (result.problems[0]?.message ?? 'unknown')
}
