// Flow control (RFC 9113 section 5.2): how much may be sent, and when the peer is told that it may send more.
// One window of each kind per stream and per connection; connection.ts moves both together.

export const MAX_WINDOW = 0x7fff_ffff

/** What the peer lets us send. May go negative when the peer lowers SETTINGS_INITIAL_WINDOW_SIZE (6.9.2). */
export class SendWindow {
  #available: number

  constructor(initial: number) {
    this.#available = initial
  }

  get available(): number {
    return Math.max(0, this.#available)
  }

  spend(bytes: number): void {
    this.#available -= bytes
  }

  /** False: the window would exceed 2^31-1, a FLOW_CONTROL_ERROR (6.9.1). */
  grow(bytes: number): boolean {
    this.#available += bytes
    return this.#available <= MAX_WINDOW
  }
}

/** What we let the peer send. Credit is given back in portions of half a window: one WINDOW_UPDATE for many DATA frames. */
export class ReceiveWindow {
  readonly #size: number
  #available: number
  #consumed = 0

  constructor(size: number) {
    this.#size = size
    this.#available = size
  }

  /** False: the peer sent more than it may. */
  receive(bytes: number): boolean {
    this.#available -= bytes
    return this.#available >= 0
  }

  /** The receiver is done with these bytes. Returns the increment to announce, 0 for not yet. */
  consume(bytes: number): number {
    this.#consumed += bytes
    if (this.#consumed * 2 < this.#size) return 0
    const increment = this.#consumed
    this.#consumed = 0
    this.#available += increment
    return increment
  }
}
