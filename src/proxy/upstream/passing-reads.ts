// What connections with little to say are read into: one buffer of the process for all of them. What was read is copied out, so that
// whoever keeps it (a write that is pending, a request that waits) has its own; a few hundred octets are copied in less time than Node needs
// to allocate 64 KiB for them, which it does for every read otherwise. A connection that fills the buffer gets one of its own and copies nothing
// any more. Used by tcp-proxy.ts, tunnel.ts and the connections of clients. Invariant: nobody is ever given a view of the common buffer.
import { forgetQuiet, keepWhileQuiet } from './quiet-buffers.ts'
import { type PendingWrites, ReadBuffer, TUNNEL_LARGE } from './read-buffer.ts'

const COMMON = Buffer.allocUnsafeSlow(64 * 1024)
/** A record of TLS, which is read one at a time: who fills it has more to say. */
const BUSY_BYTES = 16 * 1024

export class PassingReads {
  /** Called with each read. The octets of a busy connection are valid only during the call, unless `retain` or `lend` is called. */
  onData: ((chunk: Buffer) => void) | undefined
  #own: ReadBuffer | undefined
  /** What the socket reads into now; changes only when it asks for the next one. Undefined: the common one. */
  #reading: ReadBuffer | undefined

  /** For node:net's onread. */
  readonly options = {
    buffer: (): Buffer => {
      this.#reading = this.#own
      return this.#reading?.options.buffer() ?? COMMON
    },
    callback: (length: number): boolean => {
      if (this.#reading !== undefined) return this.#reading.options.callback(length)
      if (length >= BUSY_BYTES) {
        this.#own = new ReadBuffer(TUNNEL_LARGE, length === COMMON.length ? TUNNEL_LARGE : COMMON.length)
        this.#own.onData = (chunk) => this.onData?.(chunk)
      }
      this.onData?.(Buffer.from(COMMON.subarray(0, length)))
      return true
    },
  }

  /** The octets just read are still needed: the next read goes elsewhere. */
  retain(): void {
    this.#reading?.retain()
  }

  /** The octets just read are needed until all that `socket` has to write is written. */
  lend(socket: PendingWrites): void {
    this.#reading?.lend(socket)
  }

  /** The connection becomes quiet. */
  rest(): void {
    if (this.#own !== undefined) keepWhileQuiet(this)
  }

  /** The connection is closed. */
  close(): void {
    if (this.#own !== undefined) forgetQuiet(this)
  }

  /** A buffer of its own is given back with the next read. */
  shrink(): void {
    this.#own = undefined
  }
}
