// A client connection on a socket: the codec's shell. Writes at most once per loop turn, pauses while the socket is full, and checks
// with PING that a silent peer is still there. Used by grpc/channel.ts.
// Invariant: every stream hears `closed` exactly once, whatever happens to the socket.
import type { Duplex } from 'node:stream'
import type { Clock, Timer } from '../../base/clock.ts'
import { Http2Connection } from './connection.ts'
import { ErrorCode, errorName } from './error-codes.ts'
import type { FieldList } from './hpack-decoder.ts'

export type StreamEnd =
  | { readonly kind: 'complete' }
  | { readonly kind: 'reset'; readonly code: number; readonly reason: string }
  | { readonly kind: 'connection'; readonly reason: string }

export interface StreamHandlers {
  headers(fields: FieldList, kind: 'head' | 'interim' | 'trailers', end: boolean): void
  /** A view: copy what outlives the call. */
  data(bytes: Buffer, end: boolean): void
  drained?(): void
  closed(end: StreamEnd): void
}

export interface SessionOptions {
  readonly clock: Clock
  readonly keepaliveMs: number
  readonly keepaliveTimeoutMs: number
  readonly streamWindow: number
  readonly connectionWindow: number
  readonly maxHeaderListSize: number
}

/** Keepalive as Istio's agents do it; windows that let a whole configuration arrive without waiting for updates. */
export const DEFAULT_SESSION = {
  keepaliveMs: 30_000,
  keepaliveTimeoutMs: 10_000,
  streamWindow: 1024 * 1024,
  connectionWindow: 2 * 1024 * 1024,
  maxHeaderListSize: 64 * 1024,
}

export class ClientSession {
  readonly #socket: Duplex
  readonly #clock: Clock
  readonly #options: SessionOptions
  readonly #codec: Http2Connection
  readonly #streams = new Map<number, StreamHandlers>()
  readonly #onClosed: (reason: string) => void
  #flushDue = false
  #full = false
  #closedReason: string | undefined
  #keepalive: Timer | undefined
  #lastReceivedMs: number

  /** @param socket connected. @param onClosed no more streams can be opened here; called once, streams under way may still go on. */
  constructor(socket: Duplex, options: SessionOptions, onClosed: (reason: string) => void) {
    this.#socket = socket
    this.#clock = options.clock
    this.#options = options
    this.#onClosed = onClosed
    this.#lastReceivedMs = options.clock.monotonicMs()
    this.#codec = new Http2Connection(
      { role: 'client', maxConcurrentStreams: 0, ...options },
      {
        settings: () => undefined,
        headers: (id, fields, kind, end) => this.#onHeaders(id, fields, kind, end),
        data: (id, bytes, end) => this.#onData(id, bytes, end),
        reset: (id, code, reason) => this.#finish(id, { kind: 'reset', code, reason }),
        drained: (id) => this.#streams.get(id)?.drained?.(),
        goaway: (_last, code, debug) => this.#retire(`the peer went away: ${errorName(code)}${debug === '' ? '' : `, ${debug}`}`),
        pong: () => undefined,
        failed: (code, reason) => this.#fail(`HTTP/2 ${errorName(code)}: ${reason}`),
        output: () => this.#scheduleFlush(),
      },
    )
    socket.on('data', (bytes: Buffer) => this.#onBytes(bytes))
    socket.on('drain', () => this.#onDrain())
    socket.on('end', () => this.#fail('the peer closed the connection'))
    socket.on('error', (error) => this.#fail(error.message))
    socket.on('close', () => this.#fail('the connection was closed'))
    this.#armKeepalive()
  }

  get usable(): boolean {
    return this.#closedReason === undefined && this.#codec.canOpen
  }

  get activeStreams(): number {
    return this.#streams.size
  }

  /** Undefined when the peer takes no more streams now. */
  open(fields: FieldList, end: boolean, handlers: StreamHandlers): number | undefined {
    if (this.#closedReason !== undefined) return undefined
    const id = this.#codec.open(fields, end)
    if (id !== undefined) this.#streams.set(id, handlers)
    return id
  }

  /** False: wait for `drained`. */
  send(id: number, bytes: Uint8Array, end: boolean): boolean {
    return this.#codec.data(id, bytes, end)
  }

  cancel(id: number, code: number = ErrorCode.CANCEL): void {
    this.#codec.reset(id, code)
    this.#finish(id, { kind: 'reset', code, reason: 'cancelled here' })
  }

  /** Says goodbye and closes; streams under way are cut. */
  close(reason = 'closed here'): void {
    if (this.#closedReason === undefined && !this.#codec.failed) this.#codec.shutdown()
    this.#fail(reason)
  }

  #onHeaders(id: number, fields: FieldList, kind: 'head' | 'interim' | 'trailers', end: boolean): void {
    this.#streams.get(id)?.headers(fields, kind, end)
    if (end) this.#completed(id)
  }

  #onData(id: number, bytes: Buffer, end: boolean): void {
    const handlers = this.#streams.get(id)
    handlers?.data(bytes, end)
    this.#codec.consumed(id, bytes.length)
    if (end) this.#completed(id)
  }

  /** The peer is done. What we have not sent it no longer wants: a client's stream ends with the response (RFC 9113 8.1). */
  #completed(id: number): void {
    if (!this.#streams.has(id)) return
    this.#codec.reset(id, ErrorCode.NO_ERROR)
    this.#finish(id, { kind: 'complete' })
  }

  #finish(id: number, end: StreamEnd): void {
    const handlers = this.#streams.get(id)
    if (handlers === undefined) return
    this.#streams.delete(id)
    handlers.closed(end)
    if (this.#closedReason !== undefined && this.#streams.size === 0) this.#scheduleFlush()
  }

  #onBytes(bytes: Buffer): void {
    this.#lastReceivedMs = this.#clock.monotonicMs()
    this.#codec.receive(bytes)
  }

  #scheduleFlush(): void {
    if (this.#flushDue) return
    this.#flushDue = true
    setImmediate(() => this.#flush())
  }

  #flush(): void {
    this.#flushDue = false
    if (this.#full || this.#socket.destroyed) return
    const bytes = this.#codec.takeOutput()
    const last = this.#closedReason !== undefined && this.#streams.size === 0
    if (bytes !== undefined) this.#full = !this.#socket.write(bytes) && !last
    if (last) {
      this.#socket.end()
      // A peer that never answers our FIN must not hold the socket for ever.
      this.#clock.after(1000, () => this.#socket.destroy(), { background: true })
    }
  }

  #onDrain(): void {
    this.#full = false
    this.#flush()
  }

  /** No new streams; the connection ends with the last one. */
  #retire(reason: string): void {
    if (this.#closedReason !== undefined) return
    this.#closedReason = reason
    this.#keepalive?.cancel()
    this.#onClosed(reason)
    if (this.#streams.size === 0) this.#scheduleFlush()
  }

  #fail(reason: string): void {
    this.#retire(reason)
    for (const id of [...this.#streams.keys()]) this.#finish(id, { kind: 'connection', reason })
    this.#full = false
    this.#scheduleFlush()
  }

  #armKeepalive(): void {
    this.#keepalive = this.#clock.after(this.#options.keepaliveMs, () => this.#probe(), { background: true })
  }

  /** Anything received counts as a sign of life, not only the PING's answer. */
  #probe(): void {
    const sentMs = this.#clock.monotonicMs()
    this.#codec.ping(Buffer.alloc(8))
    this.#keepalive = this.#clock.after(
      this.#options.keepaliveTimeoutMs,
      () => {
        if (this.#lastReceivedMs >= sentMs) return this.#armKeepalive()
        this.#fail(`no sign of life for ${this.#options.keepaliveTimeoutMs} ms after a PING`)
        this.#socket.destroy()
      },
      { background: true },
    )
  }
}
