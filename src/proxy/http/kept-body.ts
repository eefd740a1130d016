// The octets of a request's body that are not on their way yet, or that another attempt would need. Used by exchange.ts.
// Invariant: while `complete` holds, `pieces` is all of the body that has been read; a body beyond the bound is sent once and not kept.
import type { Outflow } from '../http1/outflow.ts'

const MAX_KEPT_BYTES = 64 * 1024

export class KeptBody {
  /** The request can be sent again from its beginning. */
  complete = true
  #pieces: Buffer[] | undefined
  #bytes = 0

  get pieces(): readonly Buffer[] {
    return this.#pieces ?? NOTHING
  }

  /** Small enough to be kept for another attempt. */
  get fits(): boolean {
    return this.#bytes <= MAX_KEPT_BYTES
  }

  begin(): void {
    this.#pieces = []
  }

  /** @param sent the octets are on their way to an upstream already, so they may be let go. */
  add(chunk: Buffer, out: Outflow, sent: boolean): void {
    if (this.#pieces === undefined || out.isEmpty) return
    this.#bytes += out.pieces.reduce((sum, piece) => sum + piece.length, out.end - out.start)
    if (sent && !this.fits) return this.drop()
    out.retained = true
    if (out.pieces.length > 0) this.#pieces.push(...out.pieces)
    else this.#pieces.push(chunk.subarray(out.start, out.end))
  }

  /** Nothing is sent again. @param written what was added last, if it has been sent since: only a write that is pending refers to it now. */
  drop(written?: Outflow): void {
    if (written !== undefined) written.retained = false
    if (this.#pieces === undefined) return
    this.#pieces = undefined
    this.complete = false
  }
}

const NOTHING: readonly Buffer[] = []
