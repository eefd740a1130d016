// The way out of an HTTP/2 connection: whatever frames one loop turn made leave in one write, and a full socket is waited for.
// Used by the client's side (http/downstream-session.ts) and the upstream's (upstream/http2-session.ts).
// Invariant: at most one flush is scheduled, and nothing is written while the socket asks to wait.
import type { Socket } from 'node:net'
import type { Http2Connection } from './connection.ts'

export class SocketOutput {
  readonly #socket: Socket
  readonly #codec: () => Http2Connection
  #due = false
  #full = false

  constructor(socket: Socket, codec: () => Http2Connection) {
    this.#socket = socket
    this.#codec = codec
  }

  /** The socket takes no more: whoever sends should wait for its 'drain'. */
  get full(): boolean {
    return this.#full
  }

  schedule(): void {
    if (this.#due || this.#full) return
    this.#due = true
    setImmediate(() => {
      this.#due = false
      this.flush()
    })
  }

  /** Writes what there is now. */
  flush(): void {
    if (this.#full || this.#socket.destroyed || !this.#socket.writable) return
    const codec = this.#codec()
    const bytes = codec.takeOutput()
    if (bytes === undefined) return
    this.#full = !this.#socket.write(bytes)
    // Written through to the kernel: the memory serves the next turn.
    if (this.#socket.writableLength === 0) codec.giveBack(bytes)
  }

  onDrain(): void {
    this.#full = false
    this.flush()
  }
}
