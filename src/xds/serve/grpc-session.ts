// Looks after one HTTP/2 connection: a peer that is silently gone is noticed, and a connection that is old is asked to come again.
// Used by grpc-server.ts. Invariant: an old connection is told first (GOAWAY) and closed a grace later, so that a client that listens
// loses nothing; calls that are still open then end with a status, not with a reset; ages are spread, so that thousands that came
// together do not leave together.
import type { ServerHttp2Session } from 'node:http2'
import type { Clock, Timer } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'

/** Istio's: a peer that is silently gone is noticed within 40 s. */
const KEEPALIVE_MS = 30_000
const KEEPALIVE_TIMEOUT_MS = 10_000
const AGE_GRACE_MS = 10_000
/** For the statuses of calls that were open to the end. */
const LAST_WORDS_MS = 1000
/** The age is this much more or less. */
const AGE_JITTER = 0.1

export interface SessionRules {
  readonly clock: Clock
  readonly random: Random
  readonly maxConnectionAgeMs?: number
}

/** @param endCalls ends the calls that are open. */
export function superviseSession(
  session: ServerHttp2Session,
  { clock, random, maxConnectionAgeMs }: SessionRules,
  endCalls: () => void,
): { stop(): void } {
  const timers = new Map<string, Timer>()
  const after = (name: string, delayMs: number, action: () => void): void => {
    timers.get(name)?.cancel()
    timers.set(name, clock.after(delayMs, action, { background: true }))
  }
  const keepAlive = (): void => {
    // Destroyed, and nobody has been told yet: a ping would throw.
    if (session.destroyed) return
    const { socket } = session
    const heardBefore = socket.bytesRead
    // Whoever is still sending (window updates, answers) is there, only busy: thousands that start together have other work than to
    // answer pings, and cutting them off would make them begin anew.
    after('answer', KEEPALIVE_TIMEOUT_MS, () => (socket.bytesRead > heardBefore ? keepAlive() : session.destroy()))
    // False: too many unanswered ones are out, which the timer above settles.
    session.ping((error) => {
      if (error !== null || session.destroyed) return
      timers.get('answer')?.cancel()
      after('ping', KEEPALIVE_MS, keepAlive)
    })
  }
  after('ping', KEEPALIVE_MS, keepAlive)
  if (maxConnectionAgeMs !== undefined) {
    after('age', jittered(maxConnectionAgeMs, random), () => {
      session.goaway()
      after('age', AGE_GRACE_MS, () => {
        endCalls()
        session.close()
        // A peer that reads nothing does not keep its connection.
        after('age', LAST_WORDS_MS, () => session.destroy())
      })
    })
  }
  return {
    stop() {
      for (const timer of timers.values()) timer.cancel()
      timers.clear()
    },
  }
}

export function jittered(ms: number, random: Random): number {
  return ms * (1 - AGE_JITTER + 2 * AGE_JITTER * random())
}
