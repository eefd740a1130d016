// Where a tunnel's connections are read into while they have little to say: one buffer of the process for all of them. What was read is
// copied out, so that a write which is pending keeps its own; a hundred octets are copied in less time than Node needs to allocate 64 KiB
// for them, which it does for every read otherwise. A connection that fills the buffer gets one of its own and copies nothing any more.
// Used by tcp-proxy.ts and tunnel.ts. Invariant: nobody is ever given a view of the common buffer.
import { ReadBuffer, TUNNEL_LARGE } from './read-buffer.ts'

const COMMON = Buffer.allocUnsafeSlow(64 * 1024)

export class PassingReads {
  /** Called with each read; the octets stay valid as long as a write of them is pending, and no read is asked for meanwhile. */
  onData: ((chunk: Buffer) => void) | undefined
  #own: ReadBuffer | undefined

  /** For node:net's onread. */
  readonly options = {
    buffer: (): Buffer => this.#own?.options.buffer() ?? COMMON,
    callback: (length: number): boolean => {
      if (this.#own !== undefined) return this.#own.options.callback(length)
      if (length === COMMON.length) {
        this.#own = new ReadBuffer(TUNNEL_LARGE, TUNNEL_LARGE)
        this.#own.onData = (chunk) => this.onData?.(chunk)
      }
      this.onData?.(Buffer.from(COMMON.subarray(0, length)))
      return true
    },
  }
}
