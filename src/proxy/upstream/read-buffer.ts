// Where an upstream connection's octets are read into: one buffer, used again for every read, instead of a fresh one each time (which
// costs about a tenth of a request). Starts small, because most responses are, and grows for a connection that fills it.
// Invariant: a buffer that somebody still refers to is left to them, and another takes its place: for good (`retain`), or until a write that is
// pending is done (`lend`). Without lending, bodies that are faster than their reader cost a fresh buffer per read, which V8 is in no hurry to collect.
import type { Socket } from 'node:net'
import { forgetQuiet, keepWhileQuiet } from './quiet-buffers.ts'

const SMALL = 4 * 1024
const GROWTH = 4
const LARGE = 64 * 1024
/** What a socket reads into, by node:net's onread; `onData` gets what was read. */
export interface ReadTarget {
  onData: ((chunk: Buffer) => void) | undefined
  readonly options: { readonly buffer: () => Buffer; readonly callback: (length: number) => boolean }
}

/** Of a socket with a write that refers to a buffer: what says whether the write is done. */
export type PendingWrites = Pick<Socket, 'writableLength' | 'destroyed'>

/** For octets that are only passed on: fewer, larger reads halve what a GiB costs. */
export const TUNNEL_LARGE = 256 * 1024

export class ReadBuffer {
  readonly #largest: number
  /** Called with each read; the octets are valid only during the call, unless `retain` or `lend` is called. */
  onData: ((chunk: Buffer) => void) | undefined
  #next: Buffer
  /** What the socket reads into; changes only when it asks for the next one. */
  #reading: Buffer
  /** Referred to by writes that were pending, and to be read into again once they are done. */
  #lent: Buffer | undefined
  #lentTo: PendingWrites | undefined
  #returned: Buffer | undefined

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
      if (this.#lentTo !== undefined) this.#takeBack(this.#lentTo)
      const full = length === buffer.length
      if (full && length < this.#largest) this.#next = Buffer.allocUnsafeSlow(length * GROWTH)
      this.onData?.(full ? buffer : buffer.subarray(0, length))
      return true
    },
  }

  /** The octets just read are still needed: the next read goes elsewhere. */
  retain(): void {
    if (this.#next === this.#reading) this.#next = this.#another()
  }

  /** The octets just read are needed until all that `socket` has to write is written. */
  lend(socket: PendingWrites): void {
    if (this.#next !== this.#reading) return
    this.#next = this.#another()
    this.#lent = this.#reading
    this.#lentTo = socket
  }

  /** The connection becomes idle. */
  rest(): void {
    if (this.#next.length > SMALL) keepWhileQuiet(this)
  }

  /** The connection is closed, or somebody else's from now on. */
  close(): void {
    if (this.#next.length > SMALL) forgetQuiet(this)
  }

  /** A large buffer is given back with the next read. */
  shrink(): void {
    this.#lent = this.#lentTo = this.#returned = undefined
    if (this.#next.length > SMALL) this.#next = Buffer.allocUnsafeSlow(SMALL)
  }

  #another(): Buffer {
    const { length } = this.#reading
    const returned = this.#returned
    this.#returned = undefined
    return returned?.length === length ? returned : Buffer.allocUnsafeSlow(length)
  }

  /** A socket that was destroyed says nothing of what became of its writes: what it has is left to it. */
  #takeBack(socket: PendingWrites): void {
    if (!socket.destroyed && socket.writableLength > 0) return
    if (!socket.destroyed) this.#returned = this.#lent
    this.#lent = this.#lentTo = undefined
  }
}
