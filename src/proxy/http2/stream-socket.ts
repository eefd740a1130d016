// The octets of one HTTP/2 stream that became a tunnel (CONNECT, RFC 9113 8.5 and RFC 8441), as a socket: sockets/tunnel.ts joins it with
// whatever is on the other side. Made by downstream-stream.ts and http2-stream.ts once the tunnel is open.
// Invariant: at most what the stream's window allows is held in either direction; END_STREAM is the end, a reset is a reset.
import { Duplex } from 'node:stream'
import type { Http2Connection } from './connection.ts'
import { ErrorCode } from './error-codes.ts'

export interface TunnelCarrier {
  readonly codec: Http2Connection
  /** The socket takes no more; `onDrain` will be called. */
  waitsForSocket(): boolean
}

export class StreamSocket extends Duplex {
  readonly #carrier: TunnelCarrier
  readonly #id: number
  #uncredited = 0
  #full = false
  #written: (() => void) | undefined
  #peerEnded = false

  constructor(carrier: TunnelCarrier, streamId: number) {
    super({ allowHalfOpen: true, emitClose: true })
    this.#carrier = carrier
    this.#id = streamId
  }

  // --------------------------------------------------------------------------------------------------------------- from the peer

  receive(bytes: Buffer, end: boolean): void {
    // The bytes are a view of what was read; a tunnel may hold them until the other side takes them.
    if (bytes.length > 0 && !this.destroyed) this.#full = !this.push(Buffer.from(bytes))
    if (this.#full && !end) this.#uncredited += bytes.length
    else this.#carrier.codec.consumed(this.#id, bytes.length)
    if (!end) return
    this.#peerEnded = true
    this.push(null)
  }

  /** The windows, or the connection's socket, have room again. */
  onDrain(): void {
    const written = this.#written
    this.#written = undefined
    written?.()
  }

  /** The stream is gone. */
  onReset(): void {
    this.#peerEnded = true
    this.destroy()
  }

  // --------------------------------------------------------------------------------------------------------------- to the peer

  override _read(): void {
    this.#full = false
    const bytes = this.#uncredited
    if (bytes === 0) return
    this.#uncredited = 0
    this.#carrier.codec.consumed(this.#id, bytes)
  }

  override _write(chunk: Buffer, _encoding: BufferEncoding, written: () => void): void {
    const flowing = this.#carrier.codec.data(this.#id, chunk, false)
    if (!this.#carrier.waitsForSocket() && flowing) written()
    else this.#written = written
  }

  override _final(ended: () => void): void {
    this.#carrier.codec.data(this.#id, NOTHING, true)
    ended()
  }

  override _destroy(error: Error | null, closed: (error: Error | null) => void): void {
    this._read()
    // RFC 9113 8.5: a reset of the one side is a reset of the other. After both ends there is no stream, and this says nothing.
    if (!this.#peerEnded || !this.writableFinished) this.#carrier.codec.reset(this.#id, ErrorCode.CONNECT_ERROR)
    this.onDrain()
    closed(error)
  }
}

const NOTHING: Buffer = Buffer.alloc(0)
