// HEADERS followed by CONTINUATION: one block in pieces (RFC 9113 section 6.10). Used by connection.ts.
// Invariant: bounded in bytes and in pieces. Without the second bound an endless run of empty CONTINUATION frames costs CPU for ever.
import { connectionViolation, ErrorCode, type Violation } from './error-codes.ts'

const MAX_CONTINUATIONS = 32

export class HeaderBlock {
  readonly streamId: number
  readonly endStream: boolean
  #pieces: Buffer[]
  #bytes: number
  readonly #maxBytes: number

  constructor(streamId: number, endStream: boolean, first: Buffer, maxBytes: number) {
    this.streamId = streamId
    this.endStream = endStream
    this.#pieces = [first]
    this.#bytes = first.length
    this.#maxBytes = maxBytes
  }

  /** The rest comes later: a view into the read buffer would pin it, and be overwritten by a reader that uses its memory again. */
  keep(): void {
    this.#pieces = this.#pieces.map((piece) => Buffer.from(piece))
  }

  add(piece: Buffer): Violation | undefined {
    this.#pieces.push(Buffer.from(piece))
    this.#bytes += piece.length
    if (this.#pieces.length > MAX_CONTINUATIONS || this.#bytes > this.#maxBytes)
      return connectionViolation(ErrorCode.ENHANCE_YOUR_CALM, 'a header block is too long or in too many pieces')
    return undefined
  }

  whole(): Buffer {
    const [first] = this.#pieces
    return this.#pieces.length === 1 && first !== undefined ? first : Buffer.concat(this.#pieces, this.#bytes)
  }
}
