// Who is asking for a certificate: the holder of a client certificate of this mesh, or of a join token. Called per request.
// Invariant: the identity comes from the credential alone; nothing in the request can change it.
import type { Clock } from '../base/clock.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import { type Trust, verifyPeer } from '../identity/peer.ts'
import type { SpiffeId } from '../identity/spiffe-id.ts'
import type { JoinTokens } from './join-tokens.ts'

export interface Credentials {
  /** DER of the client certificate that TLS verified; undefined when there was none or it did not verify. */
  readonly peerCertificate: Buffer | undefined
  /** The value of the `authorization` header. */
  readonly authorization: string | undefined
}

export interface Caller {
  readonly identity: SpiffeId
  readonly by: 'certificate' | 'join token'
  /** Uses up what can be used once; called after every other check, directly before issuing. */
  readonly consume: () => Result<SpiffeId>
}

/** The certificate is asked first: a workload that renews may still hold the token with which it joined. */
export function authenticate(credentials: Credentials, tokens: JoinTokens, trust: Trust, clock: Clock): Result<Caller> {
  if (credentials.peerCertificate !== undefined) {
    const identity = verifyPeer(credentials.peerCertificate, trust, clock.nowMs())
    return identity.ok ? succeed({ identity: identity.value, by: 'certificate', consume: () => identity }) : identity
  }
  const { authorization } = credentials
  if (authorization === undefined) {
    return fail('credentials', 'no credentials: present a client certificate of this mesh, or a join token as "authorization: Bearer ..."')
  }
  const [, token] = /^Bearer ([A-Za-z0-9._-]{1,4096})$/i.exec(authorization) ?? []
  if (token === undefined) return fail('credentials', 'the authorization header is not of the form "Bearer <token>"')
  const identity = tokens.check(token)
  if (!identity.ok) return identity
  return succeed({ identity: identity.value, by: 'join token', consume: () => tokens.redeem(token) })
}
