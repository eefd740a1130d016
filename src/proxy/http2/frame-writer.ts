// Collects what a connection has to say until the shell takes it, so that one loop turn is one write whatever number of frames it made.
// Called by connection.ts. Invariant: bytes come out in the order in which frames were written.
import { ErrorCode } from './error-codes.ts'
import { Flag, FRAME_HEADER_BYTES, FrameType } from './frames.ts'

export class FrameWriter {
  #chunks: Uint8Array[] = []
  #bytes = 0

  /** Bytes waiting to be taken. */
  get pendingBytes(): number {
    return this.#bytes
  }

  /** All of it as one buffer, or undefined when there is nothing. */
  take(): Buffer | undefined {
    if (this.#bytes === 0) return undefined
    const [first] = this.#chunks
    const whole =
      this.#chunks.length === 1 && first !== undefined
        ? Buffer.from(first.buffer, first.byteOffset, first.length)
        : Buffer.concat(this.#chunks, this.#bytes)
    this.#chunks = []
    this.#bytes = 0
    return whole
  }

  raw(bytes: Uint8Array): void {
    this.#chunks.push(bytes)
    this.#bytes += bytes.length
  }

  frame(type: number, flags: number, streamId: number, payload: Uint8Array | undefined): void {
    const length = payload?.length ?? 0
    const header = Buffer.allocUnsafe(FRAME_HEADER_BYTES)
    header.writeUIntBE(length, 0, 3)
    header.writeUInt8(type, 3)
    header.writeUInt8(flags, 4)
    header.writeUInt32BE(streamId, 5)
    this.raw(header)
    if (payload !== undefined && length > 0) this.raw(payload)
  }

  /** HEADERS, and CONTINUATION for what does not fit in the peer's frame size (RFC 9113 6.10: nothing may come between). */
  headers(streamId: number, block: Uint8Array, endStream: boolean, maxFrameSize: number): void {
    const first = block.subarray(0, maxFrameSize)
    const fits = block.length <= maxFrameSize
    this.frame(FrameType.HEADERS, (endStream ? Flag.END_STREAM : 0) | (fits ? Flag.END_HEADERS : 0), streamId, first)
    for (let at = maxFrameSize; at < block.length; at += maxFrameSize) {
      const last = at + maxFrameSize >= block.length
      this.frame(FrameType.CONTINUATION, last ? Flag.END_HEADERS : 0, streamId, block.subarray(at, at + maxFrameSize))
    }
  }

  resetStream(streamId: number, code: number): void {
    this.frame(FrameType.RST_STREAM, 0, streamId, uint32(code))
  }

  windowUpdate(streamId: number, increment: number): void {
    this.frame(FrameType.WINDOW_UPDATE, 0, streamId, uint32(increment))
  }

  settingsAck(): void {
    this.frame(FrameType.SETTINGS, Flag.ACK, 0, undefined)
  }

  ping(payload: Uint8Array, ack: boolean): void {
    this.frame(FrameType.PING, ack ? Flag.ACK : 0, 0, Buffer.from(payload))
  }

  goaway(lastStreamId: number, code: number, debug = ''): void {
    const payload = Buffer.allocUnsafe(8 + (code === ErrorCode.NO_ERROR ? 0 : Buffer.byteLength(debug)))
    payload.writeUInt32BE(lastStreamId, 0)
    payload.writeUInt32BE(code, 4)
    if (payload.length > 8) payload.write(debug, 8)
    this.frame(FrameType.GOAWAY, 0, 0, payload)
  }
}

function uint32(value: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(value >>> 0, 0)
  return bytes
}
