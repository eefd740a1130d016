// Where an upstream connection's octets are read into: one buffer, used again for every read, instead of a fresh one each time (which
// costs about a tenth of a request). Starts small, because most responses are, and grows for a connection that fills it.
// Invariant: a buffer that somebody still refers to (a write that is pending) is left to them, and a new one takes its place.

const SMALL = 4 * 1024
const GROWTH = 4
const LARGE = 64 * 1024
/** What a socket reads into, by node:net's onread; `onData` gets what was read. */
export interface ReadTarget {
  onData: ((chunk: Buffer) => void) | undefined
  readonly options: { readonly buffer: () => Buffer; readonly callback: (length: number) => boolean }
}

/** For octets that are only passed on: fewer, larger reads halve what a GiB costs. */
export const TUNNEL_LARGE = 256 * 1024

export class ReadBuffer {
  readonly #largest: number
  /** Called with each read; the octets are valid only during the call, unless `retain` is called. */
  onData: ((chunk: Buffer) => void) | undefined
  #next: Buffer
  /** What the socket reads into; changes only when it asks for the next one. */
  #reading: Buffer

  constructor(largest = LARGE, first = SMALL) {
    this.#largest = largest
    this.#next = Buffer.allocUnsafeSlow(first)
    this.#reading = this.#next
  }

  /** For node:net's onread. */
  readonly options = {
    buffer: (): Buffer => {
      this.#reading = this.#next
      return this.#reading
    },
    callback: (length: number): boolean => {
      const buffer = this.#reading
      const full = length === buffer.length
      if (full && length < this.#largest) this.#next = Buffer.allocUnsafeSlow(length * GROWTH)
      this.onData?.(full ? buffer : buffer.subarray(0, length))
      return true
    },
  }

  /** The octets just read are still needed: the next read goes elsewhere. */
  retain(): void {
    if (this.#next === this.#reading) this.#next = Buffer.allocUnsafeSlow(this.#reading.length)
  }

  /** The connection becomes idle: a large buffer is given back with the next read. */
  shrink(): void {
    if (this.#next.length > SMALL) this.#next = Buffer.allocUnsafeSlow(SMALL)
  }
}
