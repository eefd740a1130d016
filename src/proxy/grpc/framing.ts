// gRPC's length-prefixed messages: one flag byte, four bytes of length, the message. Used by call.ts.
// Invariant: a message above the limit is refused on its length, before its bytes are buffered.

const PREFIX_BYTES = 5

export function frameMessage(message: Uint8Array): Buffer {
  const framed = Buffer.allocUnsafe(PREFIX_BYTES + message.length)
  framed.writeUInt8(0, 0)
  framed.writeUInt32BE(message.length, 1)
  framed.set(message, PREFIX_BYTES)
  return framed
}

export type FramingProblem = 'compressed' | 'too-large'

export class MessageReader {
  readonly #maxBytes: number
  #chunks: Buffer[] = []
  #bytes = 0

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** True between messages: a stream that ends elsewhere was cut. */
  get atBoundary(): boolean {
    return this.#bytes === 0
  }

  /** Copies: the codec's buffers are views. */
  push(bytes: Buffer): void {
    if (bytes.length === 0) return
    this.#chunks.push(Buffer.from(bytes))
    this.#bytes += bytes.length
  }

  next(): Buffer | undefined | FramingProblem {
    if (this.#bytes < PREFIX_BYTES) return undefined
    const prefix = this.#peek(PREFIX_BYTES)
    if (prefix.readUInt8(0) !== 0) return 'compressed'
    const length = prefix.readUInt32BE(1)
    if (length > this.#maxBytes) return 'too-large'
    if (this.#bytes < PREFIX_BYTES + length) return undefined
    const whole = this.#peek(this.#bytes)
    const rest = whole.subarray(PREFIX_BYTES + length)
    this.#chunks = rest.length === 0 ? [] : [rest]
    this.#bytes = rest.length
    return whole.subarray(PREFIX_BYTES, PREFIX_BYTES + length)
  }

  /** The first chunk holds at least `bytes` afterwards; joined only when needed, so that a large message is copied once. */
  #peek(bytes: number): Buffer {
    const [first] = this.#chunks
    if (first !== undefined && first.length >= bytes) return first
    const joined = Buffer.concat(this.#chunks, this.#bytes)
    this.#chunks = [joined]
    return joined
  }
}
