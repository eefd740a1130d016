// HTTP/2 framing (RFC 9113 section 4): the nine-byte header, types and flags, and a reader that cuts a byte stream into frames.
// Called by connection.ts. Invariant: a payload is a view into received bytes; whoever keeps it longer than the call must copy it.

export const FrameType = {
  DATA: 0,
  HEADERS: 1,
  PRIORITY: 2,
  RST_STREAM: 3,
  SETTINGS: 4,
  PUSH_PROMISE: 5,
  PING: 6,
  GOAWAY: 7,
  WINDOW_UPDATE: 8,
  CONTINUATION: 9,
} as const

export const Flag = { END_STREAM: 0x1, ACK: 0x1, END_HEADERS: 0x4, PADDED: 0x8, PRIORITY: 0x20 } as const

export const FRAME_HEADER_BYTES = 9
export const DEFAULT_MAX_FRAME_SIZE = 16_384
export const MAX_STREAM_ID = 0x7fff_ffff

/** What a client sends before its first frame (RFC 9113 3.4). */
export const CLIENT_PREFACE = Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n', 'latin1')

/** One object per reader, refilled by every `next()`: a frame must be done with before the next one is asked for. */
export interface Frame {
  type: number
  flags: number
  streamId: number
  payload: Buffer
}

const EMPTY: Buffer = Buffer.alloc(0)

export class FrameReader {
  #bytes: Buffer = EMPTY
  #offset = 0
  /** The beginning of a frame whose rest has not come: a copy, so that the buffer it came in may be filled again. */
  #partial: Buffer | undefined
  /** Size of that frame; 0 as long as its header is not whole. */
  #partialSize = 0
  /** A frame that came in two pieces, put together. */
  #joined: Buffer | undefined
  readonly #maxFrameSize: number
  readonly #frame: Frame = { type: 0, flags: 0, streamId: 0, payload: EMPTY }

  constructor(maxFrameSize: number) {
    this.#maxFrameSize = maxFrameSize
  }

  /** The type of a frame whose rest has not come; undefined: there is none; 'unknown': not even its header has come. */
  get partialType(): number | 'unknown' | undefined {
    if (this.#partial === undefined) return undefined
    return this.#partialSize === 0 ? 'unknown' : this.#partial[3]
  }

  /** All frames of what was pushed before have been taken. */
  push(bytes: Buffer): void {
    const partial = this.#partial
    this.#bytes = bytes
    this.#offset = 0
    if (partial === undefined) return
    const missing = this.#partialSize - partial.length
    this.#partial = undefined
    if (this.#partialSize === 0) this.#bytes = Buffer.concat([partial, bytes])
    else if (bytes.length < missing) {
      this.#partial = Buffer.concat([partial, bytes])
      this.#bytes = EMPTY
    } else {
      this.#joined = Buffer.concat([partial, bytes.subarray(0, missing)])
      this.#offset = missing
    }
  }

  /** Takes `count` raw bytes, for the preface; undefined while fewer have come. */
  take(count: number): Buffer | undefined {
    if (this.#bytes.length - this.#offset < count) return this.#pause(0)
    const taken = this.#bytes.subarray(this.#offset, this.#offset + count)
    this.#offset += count
    return taken
  }

  /** The next whole frame, undefined when more bytes are needed, 'too-large' as soon as a header announces too much. */
  next(): Frame | undefined | 'too-large' {
    const joined = this.#joined
    if (joined !== undefined) {
      this.#joined = undefined
      return this.#frameAt(joined, 0, joined.length)
    }
    const bytes = this.#bytes
    const at = this.#offset
    if (bytes.length - at < FRAME_HEADER_BYTES) return this.#pause(0)
    const length = bytes.readUIntBE(at, 3)
    if (length > this.#maxFrameSize) return 'too-large'
    const end = at + FRAME_HEADER_BYTES + length
    if (bytes.length < end) return this.#pause(end - at)
    this.#offset = end
    return this.#frameAt(bytes, at, end)
  }

  #frameAt(bytes: Buffer, at: number, end: number): Frame {
    const frame = this.#frame
    frame.type = bytes.readUInt8(at + 3)
    frame.flags = bytes.readUInt8(at + 4)
    frame.streamId = bytes.readUInt32BE(at + 5) & MAX_STREAM_ID
    frame.payload = bytes.subarray(at + FRAME_HEADER_BYTES, end)
    return frame
  }

  /** Keeps what is left for the next push, and lets go of the rest: an idle connection pins no read buffer. */
  #pause(size: number): undefined {
    if (this.#offset < this.#bytes.length) {
      this.#partial = Buffer.from(this.#bytes.subarray(this.#offset))
      this.#partialSize = size
    }
    this.#bytes = EMPTY
    this.#offset = 0
    return undefined
  }
}
