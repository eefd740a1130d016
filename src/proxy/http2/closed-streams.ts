// What is still known of streams that are gone, so that late frames are judged as RFC 9113 5.1 wants: silence for those that crossed our
// RST_STREAM on the way, an error for a peer that goes on after its own end. Owned by connection.ts.
// Invariant: bounded; what is forgotten is treated as long gone.
import { connectionViolation, ErrorCode, streamViolation, type Violation } from './error-codes.ts'

const REMEMBERED = 512

/** With both sides' END_STREAM, by our RST_STREAM, or by the peer's. */
export type StreamEnding = 'ended' | 'reset' | 'reset-by-peer'

export class ClosedStreams {
  readonly #endings = new Map<number, StreamEnding>()

  add(streamId: number, ending: StreamEnding): void {
    this.#endings.set(streamId, ending)
    if (this.#endings.size <= REMEMBERED) return
    for (const oldest of this.#endings.keys()) {
      this.#endings.delete(oldest)
      break
    }
  }

  has(streamId: number): boolean {
    return this.#endings.has(streamId)
  }

  /** DATA or HEADERS on it. */
  onLateFrame(streamId: number): Violation | undefined {
    const ending = this.#endings.get(streamId)
    if (ending === 'reset-by-peer') return streamViolation(ErrorCode.STREAM_CLOSED, 'a frame after RST_STREAM (5.1)')
    if (ending !== 'ended') return undefined
    return connectionViolation(ErrorCode.STREAM_CLOSED, 'a frame on a stream that the peer has ended (5.1)')
  }
}
