// Whose a Kubernetes ServiceAccount token is, by asking the API server (TokenReview). Asked by authenticate.ts for callers that hold no
// certificate yet. Invariants: nothing that the token says about itself is believed before the API server vouched for it; an API server that
// cannot answer makes the answer 'unavailable', never 'refused': a caller that is right must come again, not give up.
import { createHash } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import type { Logger } from '../base/log.ts'
import type { KubeClient } from '../kube/client.ts'
import type { KubeObject } from '../kube/object.ts'
import { resourceOf } from '../kube/resource.ts'

export interface ServiceAccount {
  readonly namespace: string
  readonly serviceAccount: string
  /** The pod that the token is bound to; tokens made by hand are bound to none. */
  readonly pod: { readonly name: string; readonly uid: string } | undefined
}

export type TokenAnswer =
  | { readonly kind: 'known'; readonly account: ServiceAccount }
  | { readonly kind: 'refused'; readonly reason: string }
  | { readonly kind: 'unavailable'; readonly reason: string }

export interface TokenReviews {
  review(token: string): Promise<TokenAnswer>
}

export interface TokenReviewOptions {
  readonly client: Pick<KubeClient, 'create'>
  /** A token must be meant for one of them. */
  readonly audiences?: readonly string[]
  readonly clock: Clock
  readonly log: Logger
}

export const CA_AUDIENCE = 'lateen-ca'
/** A caller that tries again within seconds costs the API server nothing; an account that was deleted is refused after as long. */
const KNOWN_MS = 10_000
const REFUSED_MS = 3_000
const MAX_REMEMBERED = 10_000
/** Anybody may send us tokens: more than so many at once wait for their turn at the caller's side, not at the API server. */
const MAX_UNDER_WAY = 64
const TIMEOUT_MS = 5_000

interface Remembered {
  readonly answer: TokenAnswer
  readonly untilMs: number
}

export function createTokenReviews({ client, audiences = [CA_AUDIENCE], clock, log }: TokenReviewOptions): TokenReviews {
  /** By hash of the token, oldest first: a dump of this process shows no tokens. */
  const remembered = new Map<string, Remembered>()
  const underWay = new Map<string, Promise<TokenAnswer>>()

  const ask = async (token: string): Promise<TokenAnswer> => {
    const answer = await client.create(
      resourceOf('TokenReview'),
      { metadata: {}, spec: { token, audiences: [...audiences] } },
      { timeoutMs: TIMEOUT_MS },
    )
    if (answer.ok) return readReview(answer.value, audiences)
    // Also when the API server refuses us the right to ask: that is our installation's mistake, not the caller's.
    log.warn('a ServiceAccount token could not be reviewed', { reason: answer.failure.message })
    return { kind: 'unavailable', reason: 'the API server cannot be asked about this token now; try again' }
  }
  const remember = (hash: string, token: string, answer: TokenAnswer): void => {
    if (answer.kind === 'unavailable') return
    const nowMs = clock.nowMs()
    const endMs = answer.kind === 'known' ? Math.min(nowMs + KNOWN_MS, expiryOf(token) ?? Number.POSITIVE_INFINITY) : nowMs + REFUSED_MS
    remembered.delete(hash)
    remembered.set(hash, { answer, untilMs: endMs })
    if (remembered.size > MAX_REMEMBERED) for (const [oldest] of remembered.entries().take(1)) remembered.delete(oldest)
  }
  return {
    review(token) {
      const hash = createHash('sha256').update(token).digest('base64')
      const known = remembered.get(hash)
      if (known !== undefined && known.untilMs > clock.nowMs()) return Promise.resolve(known.answer)
      const running = underWay.get(hash)
      if (running !== undefined) return running
      if (underWay.size >= MAX_UNDER_WAY) {
        return Promise.resolve({ kind: 'unavailable', reason: 'too many tokens are being looked at; try again in a second' })
      }
      const review = ask(token)
        .then((answer) => {
          remember(hash, token, answer)
          return answer
        })
        .finally(() => underWay.delete(hash))
      underWay.set(hash, review)
      return review
    },
  }
}

/** What the API server said. `status.audiences` is the part of ours that the token is for; a server that does not know audiences leaves it
 *  out, and then the token may be meant for anybody. */
export function readReview(review: KubeObject, audiences: readonly string[]): TokenAnswer {
  const { status } = review
  const refused = (reason: string): TokenAnswer => ({ kind: 'refused', reason })
  if (!isRecord(status) || status.authenticated !== true) {
    const error = isRecord(status) && typeof status.error === 'string' && status.error !== '' ? `: ${status.error.slice(0, 200)}` : ''
    return refused(`the API server does not accept the ServiceAccount token${error}`)
  }
  const meantFor: readonly unknown[] = Array.isArray(status.audiences) ? status.audiences : []
  if (!audiences.some((audience) => meantFor.includes(audience))) {
    return refused(`the ServiceAccount token is not meant for ${audiences.join(' or ')}; project one with that audience`)
  }
  const user = isRecord(status.user) ? status.user : {}
  const [, namespace, serviceAccount] = /^system:serviceaccount:([^:]+):([^:]+)$/.exec(String(user.username)) ?? []
  if (namespace === undefined || serviceAccount === undefined) return refused("the token is not a ServiceAccount's")
  const extra = isRecord(user.extra) ? user.extra : {}
  const name = firstOf(extra['authentication.kubernetes.io/pod-name'])
  const uid = firstOf(extra['authentication.kubernetes.io/pod-uid'])
  const pod = name === undefined || uid === undefined ? undefined : { name, uid }
  return { kind: 'known', account: { namespace, serviceAccount, pod } }
}

/** When the token ends by its own words; read only after the API server accepted it, and only to forget it earlier. */
function expiryOf(token: string): number | undefined {
  try {
    const claims: unknown = JSON.parse(Buffer.from(token.split('.')[1] ?? '', 'base64url').toString())
    return isRecord(claims) && typeof claims.exp === 'number' ? claims.exp * 1000 : undefined
  } catch {
    return undefined
  }
}

function firstOf(value: unknown): string | undefined {
  const first: unknown = Array.isArray(value) ? value[0] : undefined
  return typeof first === 'string' && first !== '' ? first : undefined
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
