// What of the octets just read goes on to the other side. Nearly always one range of the chunk that came, so that is what it stores;
// only when something was cut out or added does it become a list. Filled by body-reader.ts and chunked-reader.ts, used again each time.
import type { Socket } from 'node:net'

export class Outflow {
  /** chunk[start, end) when `pieces` is empty. */
  start = 0
  end = 0
  readonly pieces: Buffer[] = []
  /** Somebody keeps octets of the chunk, for another attempt. */
  retained = false
  /** The socket that has not written octets of the chunk yet. */
  pendingIn: Socket | undefined

  clear(): void {
    this.start = 0
    this.end = 0
    if (this.pieces.length > 0) this.pieces.length = 0
  }

  get isEmpty(): boolean {
    return this.start === this.end && this.pieces.length === 0
  }

  /** Another chunk comes: who refers to octets of the one before has been asked. */
  forget(): void {
    this.retained = false
    this.pendingIn = undefined
  }

  /** Passes chunk[start, end) on. All ranges of one filling must be of the same chunk. */
  pass(chunk: Buffer, start: number, end: number): void {
    if (start === end) return
    if (this.pieces.length > 0) this.pieces.push(chunk.subarray(start, end))
    else if (this.start === this.end) {
      this.start = start
      this.end = end
    } else if (this.end === start) this.end = end
    else {
      this.pieces.push(chunk.subarray(this.start, this.end), chunk.subarray(start, end))
      this.start = this.end = 0
    }
  }

  /** Adds octets that are not part of the chunk. */
  add(chunk: Buffer, octets: Buffer): void {
    if (this.start !== this.end) {
      this.pieces.push(chunk.subarray(this.start, this.end))
      this.start = this.end = 0
    }
    this.pieces.push(octets)
  }
}
