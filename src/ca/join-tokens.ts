// One-time join tokens: how a workload that has no certificate yet proves who it is. Minted by whoever starts the workload, redeemed once.
// Only hashes are kept, in one private file, so that a restart of the control plane neither forgets a token nor allows a used one again.
// Invariant: a token is on disk as used before its certificate leaves this process.
import { createHash, randomBytes, timingSafeEqual } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { LateenError } from '../base/errors.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import { parseSpiffeId, type SpiffeId } from '../identity/spiffe-id.ts'
import { readPrivateFile, writePrivateFile } from './private-file.ts'

const PREFIX = 'lateen-join-'
/** Enough for the largest start of a mesh on one machine; a runaway caller must not fill memory and disk. */
const MAX_TOKENS = 10_000

interface StoredToken {
  /** SHA-256 of the token, hexadecimal: 256 random bits need no slow hash. */
  readonly hash: string
  readonly identity: SpiffeId
  readonly expiresMs: number
  readonly usedMs?: number
}

export interface JoinTokens {
  mint(identity: SpiffeId, validForMs: number): Result<string>
  /** Whose token it is, while it may still be redeemed. Does not redeem it. */
  check(token: string): Result<SpiffeId>
  /** Uses it up. Fails when it cannot be redeemed, also when somebody else was faster. */
  redeem(token: string): Result<SpiffeId>
}

export function openJoinTokens(path: string, clock: Clock): JoinTokens {
  let tokens = load(path)

  const store = (next: readonly StoredToken[]): void => {
    // Written first: when the disk refuses, nothing has changed and nothing is issued.
    writePrivateFile(path, `${JSON.stringify({ tokens: next })}\n`)
    tokens = next
  }
  const alive = (): readonly StoredToken[] => tokens.filter((token) => token.expiresMs > clock.nowMs())

  const check = (token: string): Result<StoredToken> => {
    const found = find(tokens, token)
    if (found === undefined) return fail('token', 'the join token is not known here: it is from another mesh, or expired and was forgotten')
    if (found.usedMs !== undefined) {
      return fail(
        'token',
        `the join token was used already at ${new Date(found.usedMs).toISOString()}; each is good for one certificate, ask for a new one`,
      )
    }
    if (found.expiresMs <= clock.nowMs())
      return fail('token', `the join token expired at ${new Date(found.expiresMs).toISOString()}; ask for a new one`)
    return succeed(found)
  }

  return {
    mint(identity, validForMs) {
      const kept = alive()
      if (kept.length >= MAX_TOKENS)
        return fail('token', `there are ${MAX_TOKENS} join tokens waiting already; wait until some are used or expire`)
      const token = PREFIX + randomBytes(32).toString('base64url')
      store([...kept, { hash: hashOf(token).toString('hex'), identity, expiresMs: clock.nowMs() + validForMs }])
      return succeed(token)
    },
    check(token) {
      const found = check(token)
      return found.ok ? succeed(found.value.identity) : found
    },
    redeem(token) {
      const found = check(token)
      if (!found.ok) return found
      store(alive().map((stored) => (stored === found.value ? { ...stored, usedMs: clock.nowMs() } : stored)))
      return succeed(found.value.identity)
    },
  }
}

/** Looks at every token, each in constant time, so that the time taken says nothing about a hash. */
function find(tokens: readonly StoredToken[], token: string): StoredToken | undefined {
  const hash = hashOf(token)
  let found: StoredToken | undefined
  for (const stored of tokens) if (timingSafeEqual(Buffer.from(stored.hash, 'hex'), hash)) found = stored
  return found
}

function hashOf(token: string): Buffer {
  return createHash('sha256').update(token).digest()
}

function load(path: string): readonly StoredToken[] {
  const text = readPrivateFile(path)
  if (text === undefined) return []
  try {
    const parsed: unknown = JSON.parse(text)
    const list = isRecord(parsed) && Array.isArray(parsed.tokens) ? parsed.tokens : undefined
    if (list === undefined) throw new Error('it has no list of tokens')
    return list.map(readToken)
  } catch (error) {
    throw new LateenError(
      'JOIN_TOKENS_UNREADABLE',
      `${path} cannot be read (${String(error)}); move it away: every waiting workload then needs a new token`,
      {
        cause: error,
      },
    )
  }
}

function readToken(value: unknown): StoredToken {
  if (!isRecord(value)) throw new Error('an entry is not an object')
  const { hash, identity, expiresMs, usedMs } = value
  const id = typeof identity === 'string' ? parseSpiffeId(identity) : undefined
  if (typeof hash !== 'string' || !/^[0-9a-f]{64}$/.test(hash) || id?.ok !== true || typeof expiresMs !== 'number')
    throw new Error('an entry is malformed')
  return { hash, identity: id.value, expiresMs, ...(typeof usedMs === 'number' ? { usedMs } : {}) }
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
