// Who is asking for a certificate: the holder of a client certificate of this mesh, of a ServiceAccount token (Kubernetes) or of a join
// token. Called per request by sign-certificate.ts.
// Invariant: the identity comes from the credential alone; nothing in the request can change it.
import type { Clock } from '../base/clock.ts'
import { fail, type Problem, type Result, succeed } from '../base/result.ts'
import { readCertificate } from '../identity/certificate.ts'
import { type Trust, verifyFacts } from '../identity/peer.ts'
import { type SpiffeId, workloadSpiffeId } from '../identity/spiffe-id.ts'
import type { TrustBundle } from '../identity/trust-bundle.ts'
import type { JoinTokens } from './join-tokens.ts'
import type { TokenReviews } from './token-review.ts'

export interface Credentials {
  /** DER of the client certificate that TLS verified; undefined when there was none or it did not verify. */
  readonly peerCertificate: Buffer | undefined
  /** DER of what the client sent beside it, issuer first. */
  readonly peerChain?: readonly Buffer[]
  /** The value of the `authorization` header. */
  readonly authorization: string | undefined
}

export interface Caller {
  readonly identity: SpiffeId
  readonly by: 'certificate' | 'join token' | 'service account token'
  /** `namespace/name` of the pod that the token is bound to, for the audit line. */
  readonly pod?: string
  /** Uses up what can be used once; called after every other check, directly before issuing. */
  readonly consume: () => Result<SpiffeId> | Promise<Result<SpiffeId>>
}

export interface Authorities {
  /** Undefined: no join tokens here. */
  readonly tokens?: JoinTokens | undefined
  /** Undefined: no Kubernetes here. */
  readonly reviews?: TokenReviews | undefined
  readonly trust: Trust
  readonly clock: Clock
}

export type Authentication =
  | { readonly ok: true; readonly value: Caller }
  /** `isOurs`: who asks may be right, but nobody can tell now. */
  | { readonly ok: false; readonly problems: readonly Problem[]; readonly isOurs?: true }

/** Three parts in base64url (RFC 7515 3.1): what a join token never is. */
const JWT = /^[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+$/

/** The certificate is asked first: a workload that renews may still hold the token with which it joined. */
export async function authenticate(credentials: Credentials, { tokens, reviews, trust, clock }: Authorities): Promise<Authentication> {
  if (credentials.peerCertificate !== undefined) {
    const identity = verifyCaller(credentials.peerCertificate, credentials.peerChain, trust, clock.nowMs())
    return identity.ok ? succeed({ identity: identity.value, by: 'certificate', consume: () => identity }) : identity
  }
  const { authorization } = credentials
  if (authorization === undefined) {
    const kind = reviews === undefined ? 'join' : 'ServiceAccount'
    return fail(
      'credentials',
      `no credentials: present a client certificate of this mesh, or a ${kind} token as "authorization: Bearer ..."`,
    )
  }
  const [, token] = /^Bearer ([A-Za-z0-9._-]{1,8192})$/i.exec(authorization) ?? []
  if (token === undefined) return fail('credentials', 'the authorization header is not of the form "Bearer <token>"')
  if (reviews !== undefined && JWT.test(token)) return authenticateAccount(token, reviews, trust)
  if (tokens === undefined) return fail('token', 'the token is not a JWT; present the projected token of a ServiceAccount')
  const identity = tokens.check(token)
  if (!identity.ok) return identity
  return succeed({ identity: identity.value, by: 'join token', consume: () => tokens.redeem(token) })
}

async function authenticateAccount(token: string, reviews: TokenReviews, trust: Trust): Promise<Authentication> {
  const answer = await reviews.review(token)
  if (answer.kind === 'unavailable') return { ...fail('token', answer.reason), isOurs: true }
  if (answer.kind === 'refused') return fail('token', answer.reason)
  const { namespace, serviceAccount, pod } = answer.account
  const identity = workloadSpiffeId({ trustDomain: trust.trustDomain, namespace, serviceAccount })
  if (!identity.ok) return identity
  const named = pod === undefined ? {} : { pod: `${namespace}/${pod.name}` }
  return succeed({ identity: identity.value, by: 'service account token', ...named, consume: () => identity })
}

interface Verified {
  readonly bundle: TrustBundle
  readonly aliases: readonly string[] | undefined
  readonly identity: SpiffeId
  readonly notBeforeMs: number
  readonly notAfterMs: number
}

/** By the buffer itself, of which there is one per connection: a caller that asks again on it is verified once per bundle. */
const verified = new WeakMap<Buffer, Verified>()

function verifyCaller(certificate: Buffer, chain: readonly Buffer[] | undefined, trust: Trust, nowMs: number): Result<SpiffeId> {
  const known = verified.get(certificate)
  const holds = known !== undefined && known.bundle === trust.bundle && known.aliases === trust.aliases
  if (holds && nowMs >= known.notBeforeMs && nowMs <= known.notAfterMs) return succeed(known.identity)
  const facts = readCertificate(certificate)
  if (!facts.ok) return facts
  const identity = verifyFacts(facts.value, trust, nowMs, chain)
  const { notBeforeMs, notAfterMs } = facts.value
  const { bundle, aliases } = trust
  if (identity.ok) verified.set(certificate, { bundle, aliases, identity: identity.value, notBeforeMs, notAfterMs })
  return identity
}
