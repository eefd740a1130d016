// One stream: its state (RFC 9113 section 5.1), its windows, and what waits for the peer's permission to be sent.
// Owned by connection.ts. 'idle' and 'closed' streams have no object: the connection tells them apart by number.
// Invariant: after END_STREAM has been sent or received, nothing more of that direction is accepted.
import { ReceiveWindow, SendWindow } from './flow-control.ts'

export type StreamState = 'open' | 'half-closed-local' | 'half-closed-remote' | 'closed'

export function afterLocalEnd(state: StreamState): StreamState {
  return state === 'open' ? 'half-closed-local' : 'closed'
}

export function afterRemoteEnd(state: StreamState): StreamState {
  return state === 'open' ? 'half-closed-remote' : 'closed'
}

export class Stream {
  readonly id: number
  readonly sendWindow: SendWindow
  readonly receiveWindow: ReceiveWindow
  state: StreamState = 'open'
  /** The final head has come; the next HEADERS are trailers. */
  headReceived = false
  /** The answer to HEAD has no content, whatever its content-length says (RFC 9110 9.3.2). */
  answersHead = false
  /** From content-length: the sum of DATA must match (8.1.1). */
  expectedBytes: number | undefined
  receivedBytes = 0
  /** DATA not yet allowed out, then trailers; `endQueued` once the last of it is here. */
  readonly queue: Uint8Array[] = []
  trailers: readonly string[] | undefined
  endQueued = false
  /** Reset once all that is queued is out: the peer may stop sending. */
  resetsWhenSent = false

  constructor(id: number, sendWindow: number, receiveWindow: number) {
    this.id = id
    this.sendWindow = new SendWindow(sendWindow)
    this.receiveWindow = new ReceiveWindow(receiveWindow)
  }

  get canReceive(): boolean {
    return this.state === 'open' || this.state === 'half-closed-local'
  }

  get canSend(): boolean {
    return this.state === 'open' || this.state === 'half-closed-remote'
  }

  get hasQueued(): boolean {
    return this.queue.length > 0 || this.endQueued
  }
}
