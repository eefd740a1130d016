// A client's HTTP/2 connection: the codec on its socket, a DownstreamStream for each request, and the connection's own life: idle time,
// keepalive, draining. Made by serve-http.ts.
// Invariant: draining loses nothing (RFC 9113 6.8): the first GOAWAY only asks, the second, a round trip later, names the last stream
// that is served; the connection ends when that one has been answered.
import type { Socket } from 'node:net'
import type { Deadline } from '../../base/timer-wheel.ts'
import { Http2Connection } from '../http2/connection.ts'
import { DEFAULT_CONNECTION_WINDOW, DEFAULT_MAX_STREAMS, DEFAULT_STREAM_WINDOW } from '../http2/defaults.ts'
import { ErrorCode, errorName } from '../http2/error-codes.ts'
import { floodLimits } from '../http2/flood-guard.ts'
import { keepAlive } from '../http2/keepalive.ts'
import { SocketOutput } from '../http2/socket-output.ts'
import { FAILURES } from '../rescue.ts'
import { TUNNEL_DRAIN_MS } from './downstream-connection.ts'
import type { DownstreamPeer } from './downstream-peer.ts'
import { DownstreamStream, type StreamCarrier } from './downstream-stream.ts'
import { newOutcome } from './new-outcome.ts'
import { ResetGuard } from './reset-guard.ts'
import type { HttpBinding, HttpServices } from './services.ts'

/** RFC 9113 does not say how long the last octets may take. */
const LINGER_MS = 1000
/** The second GOAWAY comes when our PING is answered, or after this. */
const DRAIN_WAIT_MS = 1000

export class DownstreamSession implements StreamCarrier {
  readonly services: HttpServices
  readonly peer: DownstreamPeer
  readonly codec: Http2Connection
  binding: HttpBinding
  readonly #socket: Socket
  readonly #output: SocketOutput
  readonly #onClosed: () => void
  readonly #streams = new Map<number, DownstreamStream>()
  readonly #waitingForSocket = new Set<number>()
  #drain: 'no' | 'announced' | 'final' = 'no'
  #closing = false
  #lastReceivedMs: number
  #watch: Deadline | undefined
  #drainDeadline: Deadline | undefined
  #lifeDeadline: Deadline | undefined
  #tunnelDeadline: Deadline | undefined
  #headDeadline: Deadline | undefined
  readonly #stopKeepalive: () => void
  readonly #resets = new ResetGuard()

  constructor(socket: Socket, services: HttpServices, binding: HttpBinding, peer: DownstreamPeer, onClosed: () => void) {
    this.#socket = socket
    this.services = services
    this.binding = binding
    this.peer = peer
    this.#onClosed = onClosed
    this.#lastReceivedMs = services.clock.monotonicMs()
    this.#output = new SocketOutput(socket, () => this.codec)
    const { manager } = binding
    this.codec = new Http2Connection(
      {
        role: 'server',
        streamWindow: manager.http2?.streamWindow ?? DEFAULT_STREAM_WINDOW,
        connectionWindow: manager.http2?.connectionWindow ?? DEFAULT_CONNECTION_WINDOW,
        maxConcurrentStreams: manager.http2?.maxConcurrentStreams ?? DEFAULT_MAX_STREAMS,
        maxHeaderListSize: manager.maxRequestHeadersBytes,
        floodLimits: floodLimits(manager.http2?.limits),
        headerTableSize: manager.http2?.headerTableSize,
        connectProtocol: manager.http2?.allowConnect === true,
      },
      {
        settings: () => undefined,
        headers: (id, fields, kind, end) => {
          if (kind === 'head') {
            const stream = new DownstreamStream(this, id, this.#lastReceivedMs)
            this.#streams.set(id, stream)
            if (services.activity.draining) this.leave()
            stream.begin(fields, end)
          } else this.#streams.get(id)?.onTrailers(fields)
        },
        data: (id, bytes, end) => {
          const stream = this.#streams.get(id)
          if (stream === undefined) this.codec.consumed(id, bytes.length)
          else stream.onData(bytes, end, this.#lastReceivedMs)
        },
        reset: (id, _code, _reason, by) => this.#onReset(id, by),
        drained: (id) => this.#streams.get(id)?.onClientDrain(),
        goaway: () => this.#endIfDone(),
        pong: (payload) => {
          if (this.#drain === 'announced' && payload.equals(DRAIN_PING)) this.#finishDrain()
        },
        failed: (code, reason) => this.#broken(code, reason),
        output: () => this.#output.schedule(),
      },
    )
    socket.setNoDelay(true)
    socket.on('data', (chunk: Buffer) => this.receive(chunk))
    socket.on('end', () => this.#onEnd())
    socket.on('drain', () => this.#onDrain())
    socket.on('error', noteNothing)
    socket.on('close', () => this.#onClose())
    this.#output.schedule()
    this.#watchIdle()
    this.#stopKeepalive = keepAlive(manager.http2?.keepalive, {
      clock: services.clock,
      wheel: services.wheel,
      random: services.random,
      ping: (payload) => this.codec.ping(payload),
      lastReceivedMs: () => this.#lastReceivedMs,
      onSilence: () => this.close(),
    })
    const durationMs = manager.maxConnectionDurationMs
    if (durationMs !== undefined) this.#lifeDeadline = services.wheel.after(durationMs, () => this.leave())
  }

  receive(chunk: Buffer): void {
    if (this.#closing) return
    this.#lastReceivedMs = this.services.clock.monotonicMs()
    this.codec.receive(chunk)
    if (this.#headDeadline === undefined && this.codec.awaitsHead) this.#limitHead()
  }

  get isIdle(): boolean {
    return this.#streams.size === 0 && this.codec.activeStreams === 0
  }

  /** Nothing is under way, nor has anything been since `quietSinceMs`: the connection ends. */
  closeIfIdle(quietSinceMs: number): void {
    if (this.isIdle && this.#lastReceivedMs <= quietSinceMs) this.#finishDrain()
    else if (this.services.activity.draining) this.leave()
  }

  /** Requests under way are answered, new ones go elsewhere. */
  leave(): void {
    if (this.#drain !== 'no' || this.#closing) return
    this.#drain = 'announced'
    this.codec.announceShutdown()
    this.codec.ping(DRAIN_PING)
    this.#drainDeadline = this.services.wheel.after(DRAIN_WAIT_MS, () => this.#finishDrain())
    this.#tunnelDeadline = this.services.wheel.after(TUNNEL_DRAIN_MS, () => {
      for (const stream of [...this.#streams.values()]) stream.cutTunnel()
    })
  }

  /** Another connection manager of the same kind serves from the next request on. */
  rebind(binding: HttpBinding): void {
    this.binding = binding
  }

  close(): void {
    this.#socket.destroy()
  }

  // ---------------------------------------------------------------------------------------------------------- what streams ask

  waitsForSocket(streamId: number): boolean {
    if (!this.#output.full) return false
    this.#waitingForSocket.add(streamId)
    return true
  }

  streamDone(streamId: number): void {
    if (!this.#streams.delete(streamId)) return
    this.#waitingForSocket.delete(streamId)
    this.#endIfDone()
  }

  // -------------------------------------------------------------------------------------------------------------------- the end

  #onReset(streamId: number, by: 'peer' | 'violation' | 'connection'): void {
    const stream = this.#streams.get(streamId)
    if (stream === undefined) return
    stream.onReset(by)
    if (this.#resets.onStreamEnd(by === 'peer', this.#lastReceivedMs - stream.startedMs)) return
    this.codec.fail(ErrorCode.ENHANCE_YOUR_CALM, 'streams are reset faster than they can be answered')
  }

  /** The peer broke the protocol or a limit: recorded as an outcome of its own, because it need not concern any request. */
  #broken(code: number, reason: string): void {
    const { services, peer, binding } = this
    const outcome = newOutcome(peer.facts, services.clock.nowMs())
    outcome.protocol = 'HTTP/2'
    outcome.flags = FAILURES['downstream-broken'].flag
    outcome.details = `http2.${errorName(code).toLowerCase()}`
    outcome.terminationDetails = reason
    services.recorder.recordHttp(outcome, binding.manager.accessLogs)
    this.#end()
  }

  #finishDrain(): void {
    if (this.#drain === 'final' || this.#closing) return
    this.#drain = 'final'
    this.#cancel(this.#drainDeadline)
    this.codec.shutdown()
    this.#endIfDone()
  }

  #endIfDone(): void {
    if (this.#drain === 'final' && this.isIdle) this.#end()
  }

  /** Writes what is left, says goodbye, and does not wait for ever for the other side's. */
  #end(): void {
    if (this.#closing) return
    this.#closing = true
    this.#cancelAll()
    this.#output.flush()
    this.#socket.end()
    this.#socket.resume()
    this.#watch = this.services.wheel.after(LINGER_MS, () => this.#socket.destroy())
  }

  #onEnd(): void {
    // RFC 9113 5.4.1 knows no half-closed connection: nobody would read the answers.
    if (!this.#closing) this.#socket.destroy()
  }

  #onDrain(): void {
    this.#output.onDrain()
    if (this.#output.full) return
    const waiting = [...this.#waitingForSocket]
    this.#waitingForSocket.clear()
    for (const id of waiting) if (!this.codec.hasQueued(id)) this.#streams.get(id)?.onClientDrain()
    // Streams that have been answered leave the codec when their last octets go.
    this.#endIfDone()
  }

  #onClose(): void {
    this.#closing = true
    this.#cancelAll()
    for (const stream of [...this.#streams.values()]) stream.onReset('connection')
    this.#onClosed()
  }

  // -------------------------------------------------------------------------------------------------------------------- idle time

  /** One deadline for the connection and its streams: when it fires it looks what has moved since. */
  #watchIdle(): void {
    this.#watch = undefined
    const nowMs = this.services.clock.monotonicMs()
    const { manager } = this.binding
    const limitMs = positive(this.isIdle ? manager.idleTimeoutMs : manager.streamIdleTimeoutMs)
    if (this.#streams.size === 0 && nowMs - this.#lastReceivedMs >= limitMs) {
      // Idle, or answered and its client does not take the rest.
      if (!this.isIdle) return this.close()
      this.leave()
    }
    for (const stream of [...this.#streams.values()]) {
      if (nowMs - stream.lastMoveMs >= positive(stream.idleLimitMs)) stream.onIdle()
    }
    const shortestMs = Math.min(positive(manager.idleTimeoutMs), positive(manager.streamIdleTimeoutMs), WATCH_MS)
    if (!this.#closing) this.#watch = this.services.wheel.after(Math.max(1, shortestMs / 4), () => this.#watchIdle())
  }

  /** Envoy: request_headers_timeout begins with the first octet of the head, as does the stream's idle time. Who sends a head in pieces
   *  keeps the connection busy and would never be idle; a stream of its own to be answered on it has not. */
  #limitHead(): void {
    const { manager } = this.binding
    const limitMs = Math.min(...[manager.requestHeadersTimeoutMs, manager.requestTimeoutMs, manager.streamIdleTimeoutMs].map(positive))
    if (limitMs === Number.POSITIVE_INFINITY) return
    const { blocksReceived } = this.codec
    this.#headDeadline = this.services.wheel.after(limitMs, () => {
      this.#headDeadline = undefined
      if (this.#closing || !this.codec.awaitsHead) return
      if (this.codec.blocksReceived !== blocksReceived) return this.#limitHead()
      this.codec.fail(ErrorCode.ENHANCE_YOUR_CALM, 'a request head did not arrive in time')
    })
  }

  #cancelAll(): void {
    this.#cancel(this.#headDeadline)
    this.#stopKeepalive()
    this.#cancel(this.#watch)
    this.#cancel(this.#drainDeadline)
    this.#cancel(this.#lifeDeadline)
    this.#cancel(this.#tunnelDeadline)
  }

  #cancel(deadline: Deadline | undefined): void {
    if (deadline !== undefined) this.services.wheel.cancel(deadline)
  }
}

/** A route may have a shorter limit than its connection manager: the watch looks this often at least. */
const WATCH_MS = 4000
const DRAIN_PING = Buffer.from('lateen-1', 'latin1')

function positive(ms: number | undefined): number {
  return ms === undefined || ms <= 0 ? Number.POSITIVE_INFINITY : ms
}

function noteNothing(): undefined {
  return undefined
}
