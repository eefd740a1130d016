// May a gateway's ServiceAccount read this Secret? The API server answers (SubjectAccessReview), so that whoever may write a Gateway gets no
// key that the gateway's own account may not read. Asked by credentials.ts, whose callers cannot wait.
// Invariants: nobody is given what was not allowed, also when the API server cannot be asked; an answer that was given stays in force while it
// cannot be asked anew, because a key that is served must not vanish with the API server.
import type { Clock } from '../../../base/clock.ts'
import { ignore } from '../../../base/errors.ts'
import type { Logger } from '../../../base/log.ts'
import type { KubeClient } from '../../../kube/client.ts'
import { reviewAccess } from '../../../kube/reviews.ts'

export interface SecretRights {
  /** Never waits: what is not known yet is asked for, and `changed` tells when the answer is there. */
  mayRead(namespace: string, name: string, serviceAccount: string): ReadRight
  stop(): void
}

/** refused: goes on after the Secret's name. */
export type ReadRight = 'allowed' | 'pending' | { readonly refused: string }

export interface SecretRightsOptions {
  readonly client: KubeClient
  /** The answer for a Secret of this namespace is another. */
  readonly changed: (namespace: string) => void
  readonly clock: Clock
  readonly log: Logger
}

interface Asked {
  readonly namespace: string
  readonly name: string
  readonly serviceAccount: string
  right: ReadRight
  /** When the API server said so. */
  askedMs: number
  running: boolean
}

const ALLOWED_MS = 60_000
/** A right that was refused is given by somebody who then waits for it. */
const AGAIN_MS = 15_000
const AT_A_TIME = 50
const TIMEOUT_MS = 5_000
/** Names come from Gateways: who writes ever new ones must not fill the memory. */
const MAX_REMEMBERED = 10_000

export function createSecretRights({ client, changed, clock, log }: SecretRightsOptions): SecretRights {
  /** The oldest answers first. */
  const known = new Map<string, Asked>()
  const stopping = new AbortController()

  const ask = async (entry: Asked, key: string): Promise<void> => {
    if (entry.running) return
    entry.running = true
    const { namespace, name, serviceAccount } = entry
    const access = { verb: 'get', group: '', resource: 'secrets', namespace, name }
    const answer = await reviewAccess(client, { namespace, name: serviceAccount }, access, {
      timeoutMs: TIMEOUT_MS,
      signal: stopping.signal,
    })
    entry.running = false
    if (stopping.signal.aborted) return
    entry.askedMs = clock.monotonicMs()
    if (known.delete(key)) known.set(key, entry)
    const right = answer.ok ? rightOf(entry, answer.value.allowed) : unanswered(entry, answer.failure.message)
    if (JSON.stringify(right) === JSON.stringify(entry.right)) return
    entry.right = right
    if (right !== 'allowed' && right !== 'pending')
      log.warn('a gateway is not given a Secret', { secret: `${namespace}/${name}`, serviceAccount, because: right.refused })
    changed(namespace)
  }
  const again = (): void => {
    const refused = [...known].filter(([, { right }]) => right !== 'allowed').slice(0, AT_A_TIME)
    for (const [key, entry] of refused) ignore(ask(entry, key), 'asked again soon')
    timer = clock.after(AGAIN_MS, again, { background: true })
  }
  let timer = clock.after(AGAIN_MS, again, { background: true })
  return {
    mayRead(namespace, name, serviceAccount) {
      const key = `${namespace}/${name} ${serviceAccount}`
      const entry = known.get(key) ?? {
        namespace,
        name,
        serviceAccount,
        right: 'pending',
        askedMs: Number.NEGATIVE_INFINITY,
        running: false,
      }
      if (!known.has(key)) {
        known.set(key, entry)
        if (known.size > MAX_REMEMBERED) for (const oldest of known.keys().take(1)) known.delete(oldest)
      }
      // Those that are refused have their own time, or every look would ask for them.
      const isDue = entry.right === 'pending' || (entry.right === 'allowed' && clock.monotonicMs() - entry.askedMs > ALLOWED_MS)
      if (isDue) ignore(ask(entry, key), 'asked again soon')
      return entry.right
    },
    stop() {
      timer.cancel()
      stopping.abort()
    },
  }
}

function rightOf({ namespace, serviceAccount }: Asked, allowed: boolean): ReadRight {
  if (allowed) return 'allowed'
  return {
    refused:
      `may not be read by the gateway's ServiceAccount ${namespace}/${serviceAccount}: ` +
      `give it a Role there with the verb get on secrets`,
  }
}

/** Whoever was allowed stays so; nobody else becomes it. */
function unanswered({ right }: Asked, why: string): ReadRight {
  return right === 'pending' ? { refused: `is not handed out, because nobody could say whether the gateway may read it: ${why}` } : right
}
