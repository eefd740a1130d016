// What a peer may make us do without asking for anything: answers it never reads, frames that carry nothing. Owned by connection.ts.
// Limits and defaults are Envoy's (Http2ProtocolOptions, max_outbound_frames and following). Rapid resets need a clock and are judged by
// the shell (reset-guard.ts). Invariant: every counter is bounded by a limit whose excess ends the connection.
import { connectionViolation, ErrorCode, type Violation } from './error-codes.ts'

export interface FloodLimits {
  /** Frames of any kind that wait because the peer does not read. */
  readonly outboundFrames: number
  /** Of those, answers to PING and SETTINGS, and resets. */
  readonly outboundControlFrames: number
  /** Frames in a row without payload and without END_STREAM. */
  readonly emptyFrames: number
  readonly priorityFramesPerStream: number
  readonly windowUpdatesPerDataFrame: number
}

export const DEFAULT_FLOOD_LIMITS: FloodLimits = {
  outboundFrames: 10_000,
  outboundControlFrames: 1000,
  emptyFrames: 1,
  priorityFramesPerStream: 100,
  windowUpdatesPerDataFrame: 10,
}

/** What is configured, over the defaults. */
export function floodLimits(configured: { readonly [K in keyof FloodLimits]: number | undefined } | undefined): FloodLimits {
  const {
    outboundFrames = DEFAULT_FLOOD_LIMITS.outboundFrames,
    outboundControlFrames = DEFAULT_FLOOD_LIMITS.outboundControlFrames,
    emptyFrames = DEFAULT_FLOOD_LIMITS.emptyFrames,
    priorityFramesPerStream = DEFAULT_FLOOD_LIMITS.priorityFramesPerStream,
    windowUpdatesPerDataFrame = DEFAULT_FLOOD_LIMITS.windowUpdatesPerDataFrame,
  } = configured ?? {}
  return { outboundFrames, outboundControlFrames, emptyFrames, priorityFramesPerStream, windowUpdatesPerDataFrame }
}

export class FloodGuard {
  readonly #limits: FloodLimits
  #unsentReplies = 0
  #emptyFrames = 0
  #priorities = 0
  #windowUpdates = 0
  #streams = 0

  constructor(limits: FloodLimits) {
    this.#limits = limits
  }

  /** All that was written has been taken. */
  onTaken(): void {
    this.#unsentReplies = 0
  }

  onStream(): void {
    this.#streams++
  }

  onReply(): Violation | undefined {
    this.#unsentReplies++
    return this.#unsentReplies > this.#limits.outboundControlFrames ? excess('more control frames than are read') : undefined
  }

  /** @param waiting frames that nobody has taken yet. */
  onOutput(waiting: number): Violation | undefined {
    return waiting > this.#limits.outboundFrames ? excess('more frames than are read') : undefined
  }

  /** A DATA, HEADERS or CONTINUATION frame. */
  onPayload(bytes: number, end: boolean): Violation | undefined {
    this.#emptyFrames = bytes > 0 || end ? 0 : this.#emptyFrames + 1
    return this.#emptyFrames > this.#limits.emptyFrames ? excess('too many frames without payload') : undefined
  }

  onPriority(): Violation | undefined {
    const allowed = this.#limits.priorityFramesPerStream * (1 + this.#streams)
    return ++this.#priorities > allowed ? excess('too many PRIORITY frames') : undefined
  }

  /** @param dataFrames sent so far. */
  onWindowUpdate(dataFrames: number): Violation | undefined {
    const allowed = 5 + 2 * (this.#streams + this.#limits.windowUpdatesPerDataFrame * dataFrames)
    return ++this.#windowUpdates > allowed ? excess('too many WINDOW_UPDATE frames') : undefined
  }
}

function excess(what: string): Violation {
  return connectionViolation(ErrorCode.ENHANCE_YOUR_CALM, what)
}
