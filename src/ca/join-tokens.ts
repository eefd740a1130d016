// One-time join tokens: how a workload that has no certificate yet proves who it is. Minted by whoever starts the workload, redeemed once.
// Only hashes are kept, in one private file, so that a restart of the control plane neither forgets a token nor allows a used one again.
// Changes that come while the disk is busy are flushed together: a mesh that starts waits for a few flushes, not for one per workload.
// Invariant: a token is on disk as used before its certificate leaves this process.
import { createHash, randomBytes } from 'node:crypto'
import type { Clock } from '../base/clock.ts'
import { LateenError } from '../base/errors.ts'
import { fail, type Result, succeed } from '../base/result.ts'
import { parseSpiffeId, type SpiffeId } from '../identity/spiffe-id.ts'
import { readPrivateFile, writePrivateFileDurably } from './private-file.ts'

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
  /** Resolves when it is on disk; rejects when the disk refuses, and there is no such token then. */
  mint(identity: SpiffeId, validForMs: number): Promise<Result<string>>
  /** Whose token it is, while it may still be redeemed. Does not redeem it. */
  check(token: string): Result<SpiffeId>
  /** Uses it up. Fails when it cannot be redeemed, also when somebody else was faster. Rejects when the disk refuses; it is unused then. */
  redeem(token: string): Promise<Result<SpiffeId>>
}

export interface JoinTokenOptions {
  /** How the file is written; given by tests that hold the disk up. */
  readonly write?: (path: string, content: string) => Promise<void>
}

export function openJoinTokens(path: string, clock: Clock, { write = writePrivateFileDurably }: JoinTokenOptions = {}): JoinTokens {
  /** By hash. A look-up may take a time that depends on the hash: it says something about a guess, not about a token. */
  const tokens = new Map(load(path).map((token) => [token.hash, token]))

  const forgetExpired = (): void => {
    for (const [hash, { expiresMs }] of tokens) if (expiresMs <= clock.nowMs()) tokens.delete(hash)
  }
  const flush = createGroupCommit(() => {
    forgetExpired()
    return write(path, `${JSON.stringify({ tokens: [...tokens.values()] })}\n`)
  })
  /** In force at once, so that nobody else can use it; answered when it is on disk; undone when it could not be written. */
  const change = async (hash: string, next: StoredToken): Promise<void> => {
    const before = tokens.get(hash)
    tokens.set(hash, next)
    try {
      await flush()
    } catch (error) {
      if (before === undefined) tokens.delete(hash)
      else tokens.set(hash, before)
      throw error
    }
  }
  const check = (token: string): Result<StoredToken> => {
    const found = tokens.get(hashOf(token))
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
    async mint(identity, validForMs) {
      if (tokens.size >= MAX_TOKENS) forgetExpired()
      if (tokens.size >= MAX_TOKENS)
        return fail('token', `there are ${MAX_TOKENS} join tokens waiting already; wait until some are used or expire`)
      const token = PREFIX + randomBytes(32).toString('base64url')
      const hash = hashOf(token)
      await change(hash, { hash, identity, expiresMs: clock.nowMs() + validForMs })
      return succeed(token)
    },
    check(token) {
      const found = check(token)
      return found.ok ? succeed(found.value.identity) : found
    },
    async redeem(token) {
      const found = check(token)
      if (!found.ok) return found
      await change(found.value.hash, { ...found.value, usedMs: clock.nowMs() })
      return succeed(found.value.identity)
    },
  }
}

/** One write at a time; whoever asks while one runs shares the next one, which has everybody's changes. */
function createGroupCommit(write: () => Promise<void>): () => Promise<void> {
  let running: Promise<void> = Promise.resolve()
  let next: Promise<void> | undefined
  return () => {
    next ??= running
      // Whoever asked for that write was told; this one writes everything anew.
      .catch(() => undefined)
      .then(() => {
        running = write()
        next = undefined
        return running
      })
    return next
  }
}

function hashOf(token: string): string {
  return createHash('sha256').update(token).digest('hex')
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
