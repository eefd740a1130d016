// The level in force, in one cell of shared memory: written by the main thread's memory-guard.ts, read by every data thread, on the hot
// path too, where it costs one load of an integer.

const SHRINKING = 1
const REFUSING_CONNECTIONS = 2
const SHEDDING_REQUESTS = 3

export class OverloadState {
  readonly cell: SharedArrayBuffer
  readonly #level: Int32Array

  /** @param cell of another thread's state. */
  constructor(cell = new SharedArrayBuffer(Int32Array.BYTES_PER_ELEMENT)) {
    this.cell = cell
    this.#level = new Int32Array(cell)
  }

  get level(): number {
    return this.#level[0] ?? 0
  }

  set level(level: number) {
    this.#level[0] = level
  }

  /** Answers are the last of their connection: what is idle costs memory too. */
  get shrinks(): boolean {
    return this.level >= SHRINKING
  }

  get refusesConnections(): boolean {
    return this.level >= REFUSING_CONNECTIONS
  }

  get shedsRequests(): boolean {
    return this.level >= SHEDDING_REQUESTS
  }
}
