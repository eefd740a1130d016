// PING on a connection that is quiet, so that a peer which vanished without a word is noticed (Envoy: connection_keepalive). Used by both
// sides that speak HTTP/2. Anything received counts as a sign of life, not only the answer.
import type { Clock } from '../../base/clock.ts'
import type { Random } from '../../base/random.ts'
import type { Deadline, TimerWheel } from '../../base/timer-wheel.ts'
import type { Http2Options } from '../config/proxy-config.ts'

export interface KeptAlive {
  readonly clock: Clock
  readonly wheel: TimerWheel
  /** For the jitter: connections that were opened together need not be asked together. */
  readonly random?: Random | undefined
  ping(payload: Uint8Array): void
  lastReceivedMs(): number
  onSilence(): void
}

const PAYLOAD = Buffer.from('alive?\0\0', 'latin1')

/** Returns the way to stop. Without settings nothing is sent. */
export function keepAlive(settings: Http2Options['keepalive'], peer: KeptAlive): () => void {
  if (settings === undefined) return () => undefined
  const { intervalMs, timeoutMs, jitterPercent = 0 } = settings
  // Envoy: the jitter is added to the interval.
  const next = (): number => intervalMs * (1 + (jitterPercent / 100) * (peer.random?.() ?? 0))
  let deadline: Deadline = peer.wheel.after(next(), probe)

  function probe(): void {
    const sentMs = peer.clock.monotonicMs()
    peer.ping(PAYLOAD)
    deadline = peer.wheel.after(timeoutMs, () => {
      if (peer.lastReceivedMs() < sentMs) return peer.onSilence()
      deadline = peer.wheel.after(next(), probe)
    })
  }

  return () => peer.wheel.cancel(deadline)
}
