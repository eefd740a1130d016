// Twice a second: this replica's digest to the leader, or onto its own board when it leads itself. Started by the composition root.
// Invariants: only what is different is sent, everything on a new connection; one digest at a time; a leader that is not to be reached is
// tried again with a growing pause, and costs nothing but that.
import { backoffMs } from '../../base/backoff.ts'
import type { Clock, Timer } from '../../base/clock.ts'
import { errorMessage, ignore } from '../../base/errors.ts'
import type { Logger } from '../../base/log.ts'
import type { Random } from '../../base/random.ts'
import type { DialLeader, DigestConnection } from './digest-client.ts'
import { createDigestDifference, type DigestMessage, encodeDigestMessage, heartbeat } from './digest-message.ts'
import type { DigestSource } from './digest-source.ts'

export type Leader = 'self' | { readonly host: string; readonly port: number } | undefined

export interface DigestReportOptions {
  readonly replica: string
  readonly source: Pick<DigestSource, 'digest'>
  /** Where this replica's own go while it leads. */
  readonly take: (message: DigestMessage) => void
  readonly dial: DialLeader
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
}

export interface DigestReport {
  setLeader(leader: Leader): void
  /** A digest now. Never rejects. */
  report(): Promise<void>
  stop(): void
}

const INTERVAL_MS = 500
const HEARTBEAT_MS = 10_000
const RETRY = { baseMs: 1000, maxMs: 15_000 }

interface Target {
  readonly differences: ReturnType<typeof createDigestDifference>
  readonly send: (message: DigestMessage) => void
  readonly close: () => void
}

export function startDigestReport(options: DigestReportOptions): DigestReport {
  const { clock, log, replica } = options
  let leader: Leader
  let target: Target | undefined
  let attempts = 0
  let timer: Timer | undefined
  let retry: Timer | undefined
  let running: Promise<void> | undefined
  let sentMs = Number.NEGATIVE_INFINITY
  let stopped = false

  const open = (): void => {
    retry?.cancel()
    target?.close()
    target = undefined
    if (leader === undefined || stopped) return
    const differences = createDigestDifference(replica)
    if (leader === 'self') {
      target = { differences, send: options.take, close: () => undefined }
      return
    }
    const connection: DigestConnection = options.dial(leader, (why) => {
      log.info('digests do not reach the leader; trying again', { reason: why, attempt: attempts + 1 })
      target = undefined
      retry = clock.after(backoffMs(RETRY, attempts++, options.random), open, { background: true })
    })
    target = { differences, send: (message) => connection.send(encodeDigestMessage(message)), close: () => connection.close() }
  }
  const once = async (): Promise<void> => {
    if (target === undefined) return
    const digest = await options.source.digest()
    // Another leader meanwhile: it is told everything in its turn.
    if (target === undefined) return
    const { differences, send } = target
    const messages = differences(digest)
    if (messages.length === 0 && clock.monotonicMs() - sentMs < HEARTBEAT_MS) return
    sentMs = clock.monotonicMs()
    for (const message of messages.length === 0 ? [heartbeat(replica)] : messages) send(message)
    attempts = 0
  }
  const report = (): Promise<void> => {
    running ??= once()
      .catch((error: unknown) => log.warn('a digest could not be made; the next one may be', { reason: errorMessage(error) }))
      .finally(() => {
        running = undefined
      })
    return running
  }
  const tick = (): void => {
    timer = clock.after(INTERVAL_MS, tick, { background: true })
    ignore(report(), 'reports do not reject')
  }
  timer = clock.after(INTERVAL_MS, tick, { background: true })
  return {
    setLeader(next) {
      if (JSON.stringify(next) === JSON.stringify(leader)) return
      leader = next
      attempts = 0
      open()
    },
    report,
    stop() {
      stopped = true
      timer?.cancel()
      retry?.cancel()
      target?.close()
      target = undefined
    },
  }
}
