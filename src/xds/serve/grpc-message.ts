// gRPC's framing of messages, reading: a flag, a length, the bytes; arriving in any pieces. Used by grpc-call.ts.
// Invariant: never holds more than one message of `maxBytes` and what came with it.

export type ReadFailure = 'too-long' | 'compressed'

const HEAD_BYTES = 5

export class GrpcMessageReader {
  readonly #maxBytes: number
  #parts: Buffer[] = []
  #length = 0
  #failed: ReadFailure | undefined

  constructor(maxBytes: number) {
    this.#maxBytes = maxBytes
  }

  /** Hands out every message that is complete now. After a failure nothing is read any more. */
  read(chunk: Buffer, message: (bytes: Buffer) => void): ReadFailure | undefined {
    if (this.#failed !== undefined) return this.#failed
    this.#parts.push(chunk)
    this.#length += chunk.length
    while (this.#length >= HEAD_BYTES) {
      const head = this.#peek(HEAD_BYTES)
      const length = head.readUInt32BE(1)
      if (head[0] !== 0) this.#failed = 'compressed'
      else if (length > this.#maxBytes) this.#failed = 'too-long'
      if (this.#failed !== undefined) {
        this.#parts = []
        return this.#failed
      }
      if (this.#length < HEAD_BYTES + length) return undefined
      const whole = this.#peek(HEAD_BYTES + length)
      this.#length -= HEAD_BYTES + length
      this.#parts = this.#length === 0 ? [] : [whole.subarray(HEAD_BYTES + length)]
      message(whole.subarray(HEAD_BYTES, HEAD_BYTES + length))
    }
    return undefined
  }

  /** At least so many bytes in one piece. */
  #peek(bytes: number): Buffer {
    const [first] = this.#parts
    if (first !== undefined && first.length >= bytes) return first
    const joined = Buffer.concat(this.#parts)
    this.#parts = [joined]
    return joined
  }
}
