// Follows a message's body through the chunks that a socket delivers: where it ends, and which octets go on to the other side.
// One per direction and connection, used again for each message (upstream-connection.ts, downstream-connection.ts).
// Invariant: nothing beyond the end of the message is ever passed on.
import { ChunkedReader } from './chunked-reader.ts'
import type { BodyForm, MessageBody } from './message-body.ts'
import { Outflow } from './outflow.ts'

export type BodyKind = 'none' | 'length' | 'chunked' | 'until-close'
/** How the octets leave: 'raw' as they came, 'payload' without chunk framing, 'chunked' wrapped into chunks. */
export type BodyOutput = 'raw' | 'payload' | 'chunked'

const CRLF = Buffer.from('\r\n', 'latin1')
const LAST_CHUNK = Buffer.from('0\r\n\r\n', 'latin1')
const NOTHING = Buffer.alloc(0)

export class BodyReader implements MessageBody {
  done = true
  problem = false
  /** Octets of content, framing excluded. */
  payloadBytes = 0
  readonly out = new Outflow()

  #kind: BodyKind = 'none'
  #output: BodyOutput = 'raw'
  #remaining = 0
  #chunks: ChunkedReader | undefined

  get form(): BodyForm {
    if (this.#output === 'chunked') return 'chunks'
    if (this.#kind !== 'chunked') return 'plain'
    return this.#output === 'raw' ? 'chunks' : 'open'
  }

  get trailers(): string {
    return this.#kind === 'chunked' ? (this.#chunks?.trailers ?? '') : ''
  }

  /** Its head told where it ends, and it has not come so far. */
  get lacksItsEnd(): boolean {
    return !this.done && this.#kind !== 'until-close'
  }

  begin(kind: BodyKind, length: number, output: BodyOutput): void {
    this.#kind = kind === 'length' && length === 0 ? 'none' : kind
    this.#output = output
    this.#remaining = length
    this.done = this.#kind === 'none'
    this.problem = false
    this.payloadBytes = 0
    this.out.clear()
    if (kind === 'chunked') {
      this.#chunks ??= new ChunkedReader(this.out)
      this.#chunks.begin(output === 'payload')
    }
  }

  /** Reads on from `from`; returns where the message's octets end in this chunk. Sets `done`, `problem` and `out`. */
  read(chunk: Buffer, from: number): number {
    this.out.clear()
    if (this.done) return from
    if (this.#kind === 'chunked' && this.#chunks !== undefined) return this.#readChunked(this.#chunks, chunk, from)
    const available = chunk.length - from
    const taken = this.#kind === 'length' ? Math.min(available, this.#remaining) : available
    this.payloadBytes += taken
    if (this.#kind === 'length') {
      this.#remaining -= taken
      this.done = this.#remaining === 0
    }
    if (this.#output === 'chunked' && taken > 0) {
      this.out.add(NOTHING, Buffer.from(`${taken.toString(16)}\r\n`, 'latin1'))
      this.out.add(NOTHING, chunk.subarray(from, from + taken))
      this.out.add(NOTHING, CRLF)
    } else this.out.pass(chunk, from, from + taken)
    return from + taken
  }

  /** The connection ended: the right end of a body that lasts until close, a broken message otherwise. */
  readEnd(): void {
    this.out.clear()
    if (this.done) return
    if (this.#kind !== 'until-close') this.problem = true
    else if (this.#output === 'chunked') this.out.add(NOTHING, LAST_CHUNK)
    this.done = true
  }

  #readChunked(chunks: ChunkedReader, chunk: Buffer, from: number): number {
    const end = chunks.read(chunk, from)
    this.payloadBytes = chunks.payloadBytes
    this.done = chunks.done || chunks.problem
    this.problem = chunks.problem
    return end
  }
}
