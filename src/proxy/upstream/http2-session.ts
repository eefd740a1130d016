// One HTTP/2 connection to an endpoint: the codec on its socket, and its streams. Made by connection-pool.ts, to which it says when it has
// room, when it takes no more, and when it is gone.
// Invariant: a stream above the peer's GOAWAY, or refused by it, was not processed, and its user is told so; every other that is lost
// with the connection may have been.
import type { Socket } from 'node:net'
import { errorCode } from '../../base/errors.ts'
import type { Random } from '../../base/random.ts'
import type { Deadline } from '../../base/timer-wheel.ts'
import type { Http2Options } from '../config/proxy-config.ts'
import { Http2Connection } from '../http2/connection.ts'
import { DEFAULT_CONNECTION_WINDOW, DEFAULT_MAX_STREAMS, DEFAULT_STREAM_WINDOW } from '../http2/defaults.ts'
import { ErrorCode, errorName } from '../http2/error-codes.ts'
import { type FloodLimits, floodLimits } from '../http2/flood-guard.ts'
import type { FieldList } from '../http2/hpack-decoder.ts'
import { keepAlive } from '../http2/keepalive.ts'
import { SocketOutput } from '../http2/socket-output.ts'
import type { FailureKind } from '../rescue.ts'
import type { ConnectServices, Opened } from './connect.ts'
import { Http2Stream, type StreamCarrier } from './http2-stream.ts'
import type { ReadBuffer } from './read-buffer.ts'
import type { UpstreamUser } from './upstream-stream.ts'

export interface SessionOptions {
  readonly streamWindow: number
  readonly connectionWindow: number
  /** Our own limit; the peer's counts too. */
  readonly maxConcurrentStreams: number
  readonly keepalive: Http2Options['keepalive']
  readonly floodLimits: FloodLimits
  readonly headerTableSize: number | undefined
}

export interface SessionServices extends ConnectServices {
  readonly random?: Random
}

export function sessionOptions(options: Http2Options | undefined): SessionOptions {
  return {
    streamWindow: options?.streamWindow ?? DEFAULT_STREAM_WINDOW,
    connectionWindow: options?.connectionWindow ?? DEFAULT_CONNECTION_WINDOW,
    maxConcurrentStreams: options?.maxConcurrentStreams ?? DEFAULT_MAX_STREAMS,
    keepalive: options?.keepalive,
    floodLimits: floodLimits(options?.limits),
    headerTableSize: options?.headerTableSize,
  }
}

export interface SessionOwner {
  /** There may be room for another stream. */
  sessionReady(session: Http2Session): void
  /** It takes no more streams; those under way go on. */
  sessionRetired(session: Http2Session): void
  sessionClosed(session: Http2Session): void
}

const MAX_HEADER_LIST = 60 * 1024
/** RFC 9113 6.5.2 recommends at least this many; until the peer has spoken we assume no more. */
const STREAMS_BEFORE_SETTINGS = 100
const LINGER_MS = 1000

export class Http2Session implements StreamCarrier {
  readonly codec: Http2Connection
  readonly principal: string
  readonly mutualTls: boolean
  readonly alpn: string
  readonly localAddress: string
  toldPeer = false
  served = 0
  idleSinceMs = 0
  readonly #socket: Socket
  readonly #owner: SessionOwner
  readonly #services: ConnectServices
  readonly #maxStreams: number
  readonly #output: SocketOutput
  readonly #readBuffer: ReadBuffer | undefined
  readonly #streams = new Map<number, Http2Stream>()
  readonly #waitingForSocket = new Set<Http2Stream>()
  #headsWaiting: Http2Stream[] = []
  #keepsInput = false
  takesConnectProtocol: boolean | undefined
  /** Sent once the peer's settings are here. */
  readonly #unsettled: Http2Stream[] = []
  #settingsSeen = false
  #retired = false
  #closed = false
  #ending = false
  #failure: { readonly kind: FailureKind; readonly reason: string } = { kind: 'upstream-reset', reason: 'connection_termination' }
  #linger: Deadline | undefined
  #lastReceivedMs: number
  readonly #stopKeepalive: () => void

  constructor(opened: Opened, owner: SessionOwner, services: SessionServices, options: SessionOptions) {
    const { socket } = opened
    this.#socket = socket
    this.#owner = owner
    this.#services = services
    this.#lastReceivedMs = services.clock.monotonicMs()
    this.#maxStreams = options.maxConcurrentStreams
    this.principal = opened.principal
    this.mutualTls = opened.mutualTls
    this.alpn = opened.alpn
    this.localAddress = `${socket.localAddress ?? ''}:${socket.localPort ?? 0}`
    this.#output = new SocketOutput(socket, () => this.codec)
    this.codec = new Http2Connection(
      { role: 'client', ...options, maxConcurrentStreams: 0, maxHeaderListSize: MAX_HEADER_LIST },
      {
        settings: ({ enableConnectProtocol }) => {
          this.#settingsSeen = true
          this.takesConnectProtocol = enableConnectProtocol
          for (const stream of this.#unsettled.splice(0)) stream.onSettled()
          this.#owner.sessionReady(this)
        },
        headers: (id, fields, kind, end) => this.#streams.get(id)?.onHeaders(fields, kind, end),
        data: (id, bytes, end) => {
          const stream = this.#streams.get(id)
          if (stream === undefined) this.codec.consumed(id, bytes.length)
          else stream.onData(bytes, end)
        },
        reset: (id, code, reason, by) => this.#onReset(id, code, reason, by),
        drained: (id) => this.#streams.get(id)?.onDrain(),
        goaway: () => this.retire(),
        pong: () => undefined,
        failed: (code, reason) => {
          this.#failure = { kind: 'upstream-protocol', reason: `protocol_error: ${errorName(code)} ${reason}` }
          this.close()
        },
        output: () => this.#output.schedule(),
      },
    )
    this.#readBuffer = opened.reader
    if (opened.reader === undefined) socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    else opened.reader.onData = (chunk) => this.#onBufferedData(chunk)
    socket.on('end', () => this.close())
    socket.on('drain', () => this.#onDrain())
    socket.on('error', (error) => {
      this.#failure = { kind: 'upstream-reset', reason: errorCode(error) ?? 'connection_termination' }
    })
    socket.on('close', () => this.#onClosed())
    this.#output.schedule()
    this.#stopKeepalive = keepAlive(options.keepalive, {
      ...services,
      ping: (payload) => this.codec.ping(payload),
      lastReceivedMs: () => this.#lastReceivedMs,
      onSilence: () => this.close(),
    })
  }

  get activeStreams(): number {
    return this.#streams.size
  }

  get hasRoom(): boolean {
    if (this.#retired || this.#closed || !this.codec.canOpen) return false
    return this.#streams.size < Math.min(this.#maxStreams, this.#settingsSeen ? Number.POSITIVE_INFINITY : STREAMS_BEFORE_SETTINGS)
  }

  lend(user: UpstreamUser): Http2Stream {
    this.served++
    return new Http2Stream(this, user)
  }

  open(stream: Http2Stream, fields: FieldList, end: boolean): number | undefined {
    const id = this.codec.open(fields, end)
    if (id !== undefined) this.#streams.set(id, stream)
    return id
  }

  waitsForSocket(stream: Http2Stream): boolean {
    if (!this.#output.full) return false
    this.#waitingForSocket.add(stream)
    return true
  }

  whenSettled(stream: Http2Stream): void {
    this.#unsettled.push(stream)
  }

  headWaits(stream: Http2Stream): void {
    this.#headsWaiting.push(stream)
  }

  keepInput(): void {
    this.#keepsInput = true
  }

  streamDone(stream: Http2Stream): void {
    this.#waitingForSocket.delete(stream)
    if (!this.#streams.delete(stream.id)) return
    if (this.#streams.size === 0) this.idleSinceMs = this.#services.clock.monotonicMs()
    if (this.#retired) this.#endIfDone()
    else if (!this.#closed) this.#owner.sessionReady(this)
  }

  /** No new streams; the connection ends with the last one. */
  retire(): void {
    if (this.#retired) return
    this.#retired = true
    this.#owner.sessionRetired(this)
    this.#endIfDone()
  }

  close(): void {
    if (this.#closed) return
    this.#output.flush()
    this.#socket.destroy()
    this.#onClosed()
  }

  #endIfDone(): void {
    if (this.#ending || this.#closed || this.#streams.size > 0) return
    this.#ending = true
    this.codec.shutdown()
    this.#output.flush()
    this.#socket.end()
    this.#linger = this.#services.wheel.after(LINGER_MS, () => this.close())
  }

  #onBufferedData(chunk: Buffer): void {
    this.#keepsInput = false
    this.#onData(chunk)
    if (this.#keepsInput) this.#readBuffer?.retain()
  }

  #onData(chunk: Buffer): void {
    this.#lastReceivedMs = this.#services.clock.monotonicMs()
    this.codec.receive(chunk)
    if (this.#headsWaiting.length === 0) return
    const waiting = this.#headsWaiting
    this.#headsWaiting = []
    for (const stream of waiting) stream.flushHead()
  }

  #onReset(id: number, code: number, reason: string, by: 'peer' | 'violation' | 'connection'): void {
    const stream = this.#streams.get(id)
    if (stream === undefined) return
    // The codec ends its streams before it says that it failed: what the peer did wrong is not a connection that it closed.
    if (by === 'connection')
      return this.codec.failed ? stream.fail('upstream-protocol', `protocol_error: ${reason}`) : stream.fail(this.#failure.kind, reason)
    if (by === 'violation') return stream.fail('upstream-protocol', `protocol_error: ${reason}`)
    stream.fail(code === ErrorCode.REFUSED_STREAM ? 'upstream-refused' : 'upstream-stream-reset', errorName(code))
  }

  #onDrain(): void {
    this.#output.onDrain()
    if (this.#output.full) return
    const waiting = [...this.#waitingForSocket]
    this.#waitingForSocket.clear()
    for (const stream of waiting) if (!this.codec.hasQueued(stream.id)) stream.onDrain()
  }

  #onClosed(): void {
    if (this.#closed) return
    this.#closed = true
    this.#stopKeepalive()
    if (this.#linger !== undefined) this.#services.wheel.cancel(this.#linger)
    this.#owner.sessionClosed(this)
    const { kind, reason } = this.#failure
    for (const stream of [...this.#unsettled.splice(0), ...this.#streams.values()]) stream.fail(kind, reason)
  }
}
