// Collects what a connection has to say until the shell takes it, so that one loop turn is one write whatever number of frames it made.
// Called by send-side.ts. Everything is copied into one buffer: a frame costs no object, and nobody's read buffer is held on to.
// Invariant: bytes come out in the order in which frames were written.
import { ErrorCode } from './error-codes.ts'
import { Flag, FRAME_HEADER_BYTES, FrameType } from './frames.ts'

const FIRST_SIZE = 4 * 1024
/** A buffer that grew beyond this is not used again: one large answer must not cost an idle connection its size for ever. */
const KEPT_SIZE = 16 * 1024
const EMPTY: Buffer = Buffer.alloc(0)

export class FrameWriter {
  /** Written and not taken. */
  frames = 0
  #buffer = EMPTY
  #at = 0

  /** Bytes waiting to be taken. */
  get pendingBytes(): number {
    return this.#at
  }

  /** All of it as one buffer, or undefined when there is nothing. */
  take(): Buffer | undefined {
    if (this.#at === 0) return undefined
    const whole = this.#buffer.subarray(0, this.#at)
    this.#buffer = EMPTY
    this.#at = 0
    this.frames = 0
    return whole
  }

  /** What `take` returned has been written and may be overwritten. */
  giveBack(taken: Buffer): void {
    if (this.#buffer !== EMPTY || taken.buffer.byteLength > KEPT_SIZE) return
    this.#buffer = Buffer.from(taken.buffer, 0, taken.buffer.byteLength)
  }

  raw(bytes: Uint8Array): void {
    this.#reserve(bytes.length)
    this.#buffer.set(bytes, this.#at)
    this.#at += bytes.length
  }

  frame(type: number, flags: number, streamId: number, payload: Uint8Array | undefined): void {
    this.#header(payload?.length ?? 0, type, flags, streamId)
    if (payload !== undefined) this.raw(payload)
  }

  /** HEADERS, and CONTINUATION for what does not fit in the peer's frame size (RFC 9113 6.10: nothing may come between). */
  headers(streamId: number, block: Uint8Array, endStream: boolean, maxFrameSize: number): void {
    const end = endStream ? Flag.END_STREAM : 0
    if (block.length <= maxFrameSize) return this.frame(FrameType.HEADERS, end | Flag.END_HEADERS, streamId, block)
    this.frame(FrameType.HEADERS, end, streamId, block.subarray(0, maxFrameSize))
    for (let at = maxFrameSize; at < block.length; at += maxFrameSize) {
      const last = at + maxFrameSize >= block.length
      this.frame(FrameType.CONTINUATION, last ? Flag.END_HEADERS : 0, streamId, block.subarray(at, at + maxFrameSize))
    }
  }

  resetStream(streamId: number, code: number): void {
    this.#header(4, FrameType.RST_STREAM, 0, streamId)
    this.#uint32(code)
  }

  windowUpdate(streamId: number, increment: number): void {
    this.#header(4, FrameType.WINDOW_UPDATE, 0, streamId)
    this.#uint32(increment)
  }

  settingsAck(): void {
    this.#header(0, FrameType.SETTINGS, Flag.ACK, 0)
  }

  ping(payload: Uint8Array, ack: boolean): void {
    this.frame(FrameType.PING, ack ? Flag.ACK : 0, 0, payload)
  }

  goaway(lastStreamId: number, code: number, debug = ''): void {
    const text = code === ErrorCode.NO_ERROR ? EMPTY : Buffer.from(debug)
    this.#header(8 + text.length, FrameType.GOAWAY, 0, 0)
    this.#uint32(lastStreamId)
    this.#uint32(code)
    this.raw(text)
  }

  /** RFC 9113 4.1. Reserves room for the payload too. */
  #header(length: number, type: number, flags: number, streamId: number): void {
    this.frames++
    this.#reserve(FRAME_HEADER_BYTES + length)
    const buffer = this.#buffer
    let at = this.#at
    buffer[at++] = length >>> 16
    buffer[at++] = length >>> 8
    buffer[at++] = length
    buffer[at++] = type
    buffer[at++] = flags
    this.#at = at
    this.#uint32(streamId)
  }

  #uint32(value: number): void {
    const buffer = this.#buffer
    buffer[this.#at++] = value >>> 24
    buffer[this.#at++] = value >>> 16
    buffer[this.#at++] = value >>> 8
    buffer[this.#at++] = value
  }

  #reserve(bytes: number): void {
    const needed = this.#at + bytes
    if (needed <= this.#buffer.length) return
    const grown = Buffer.allocUnsafeSlow(Math.max(FIRST_SIZE, needed, 2 * this.#buffer.length))
    this.#buffer.copy(grown, 0, 0, this.#at)
    this.#buffer = grown
  }
}
