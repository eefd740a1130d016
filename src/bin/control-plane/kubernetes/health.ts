// The port that the kubelet asks: alive from the first moment, ready when everything answers. Opened before all else by start.ts.
// Invariant: who waits is told for what and why, here and every half minute in the log: a right that is missing looks like a slow start.
import type { Server } from 'node:http'
import type { Clock } from '../../../base/clock.ts'
import type { Logger } from '../../../base/log.ts'
import { createJsonServer } from '../http-json.ts'

export interface Health {
  readonly server: Server
  /** What is waited for; '' when nothing is. */
  waitingFor: string
  /** Waits, and says why it takes so long: sentences of now. */
  until<T>(what: string, done: Promise<T>, why?: () => readonly string[]): Promise<T>
}

const SAY_MS = 30_000
/** As many as somebody reads on a line. */
const MAX_REASONS = 5

export function createHealth(log: Logger, clock: Clock): Health {
  let why: () => readonly string[] = () => []
  const reasons = (): string => {
    const all = why()
    const more = all.length > MAX_REASONS ? ` (and ${all.length - MAX_REASONS} more)` : ''
    return all.length === 0 ? '' : `: ${all.slice(0, MAX_REASONS).join('; ')}${more}`
  }
  const health: Health = {
    waitingFor: 'the start',
    server: createJsonServer(
      {
        'GET /healthz': () => ({ status: 200, body: 'alive\n' }),
        'GET /ready': () =>
          health.waitingFor === ''
            ? { status: 200, body: 'ready\n' }
            : { status: 503, body: `waiting for ${health.waitingFor}${reasons()}\n` },
      },
      log,
    ),
    async until(what, done, because = () => []) {
      health.waitingFor = what
      why = because
      const startMs = clock.monotonicMs()
      const say = (): void => {
        const seconds = Math.round((clock.monotonicMs() - startMs) / 1000)
        log.warn(`still waiting for ${what}${reasons()}`, { seconds })
        timer = clock.after(SAY_MS, say, { background: true })
      }
      let timer = clock.after(SAY_MS, say, { background: true })
      try {
        return await done
      } finally {
        timer.cancel()
        why = () => []
      }
    },
  }
  return health
}
