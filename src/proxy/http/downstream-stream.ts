// One request of an HTTP/2 connection, as the client's side of an exchange. Made by downstream-session.ts for each HEADERS that opens a
// stream. Back-pressure is flow control: while the upstream is slow, what came is not credited, so the client may send no more.
// Invariant: its exchange ends once, and afterwards everything that still comes on the stream is only credited to the connection.
import type { Duplex } from 'node:stream'
import type { Deadline } from '../../base/timer-wheel.ts'
import type { AuthorizationFacts } from '../decide/authorize.ts'
import type { BodyKind } from '../http1/body-reader.ts'
import { MessageHead } from '../http1/head.ts'
import type { MessageBody } from '../http1/message-body.ts'
import { parseRequestHead } from '../http1/parse-head.ts'
import type { Http2Connection } from '../http2/connection.ts'
import { ErrorCode } from '../http2/error-codes.ts'
import type { FieldList } from '../http2/hpack-decoder.ts'
import { endsWithHead, sendBody } from '../http2/send-body.ts'
import { StreamBody } from '../http2/stream-body.ts'
import { StreamSocket } from '../http2/stream-socket.ts'
import { requestText, responseFields, trailerText } from '../http2/translate-head.ts'
import { joinSockets, type TunnelResult } from '../sockets/tunnel.ts'
import type { DownstreamPeer } from './downstream-peer.ts'
import { Exchange } from './exchange.ts'
import type { ExchangeHost } from './exchange-host.ts'
import { httpAuthorizationFacts } from './http-authorization-facts.ts'
import { IncomingRequest } from './incoming-request.ts'
import { headFailure, readRequest } from './read-request.ts'
import type { ResponseFraming } from './response-head.ts'
import type { HttpBinding, HttpServices } from './services.ts'

/** The connection that carries it. */
export interface StreamCarrier {
  readonly services: HttpServices
  readonly binding: HttpBinding
  readonly peer: DownstreamPeer
  readonly codec: Http2Connection
  /** The socket takes no more; the stream will hear onClientDrain. */
  waitsForSocket(streamId: number): boolean
  streamDone(streamId: number): void
}

const AS_PAYLOAD: ResponseFraming = { framing: 'drop-chunked', output: 'payload', closes: false }
const AS_IT_COMES: ResponseFraming = { framing: 'none', output: 'payload', closes: false }
const NOTHING = Buffer.alloc(0)

export class DownstreamStream implements ExchangeHost {
  readonly services: HttpServices
  readonly facts: DownstreamPeer['facts']
  readonly destination: DownstreamPeer['destination']
  readonly request = new IncomingRequest(new MessageHead())
  readonly body = new StreamBody()
  readonly protocol = 'HTTP/2'
  readonly canTunnel: boolean
  /** A stream has no connection to close. */
  readonly closesAfter = false
  mustClose = false
  readonly startedMs: number
  lastMoveMs: number
  /** The route's own limit; undefined: the connection manager's. */
  idleLimitMs: number | undefined

  readonly #carrier: StreamCarrier
  readonly #id: number
  readonly #manager: HttpBinding['manager']
  #exchange: Exchange | undefined
  /** CONNECT: what comes is not a body. */
  #connects = false
  #early: Buffer[] | undefined
  #endsEarly = false
  #tunnel: StreamSocket | undefined
  #cutTunnel: (() => void) | undefined
  #paused = false
  #uncredited = 0
  #requestDeadline: Deadline | undefined

  constructor(carrier: StreamCarrier, streamId: number, nowMs: number) {
    this.#carrier = carrier
    this.#id = streamId
    this.services = carrier.services
    this.facts = carrier.peer.facts
    this.destination = carrier.peer.destination
    this.#manager = carrier.binding.manager
    this.startedMs = nowMs
    this.lastMoveMs = nowMs
    this.idleLimitMs = this.#manager.streamIdleTimeoutMs
    this.canTunnel = this.#manager.http2?.allowConnect === true
  }

  // ------------------------------------------------------------------------------------------------------ what the client sends

  begin(fields: FieldList, end: boolean): void {
    const { head } = this.request
    const manager = this.#manager
    // As Envoy counts: pseudo-fields are fields.
    const tooMany = fields.length / 2 > manager.maxRequestHeaders
    const problem = tooMany ? 'too-many-fields' : parseRequestHead(head, requestText(fields, end), manager.maxRequestHeaders)
    if (problem !== undefined) {
      head.reset('')
      head.fieldsStart = head.fieldsEnd = 0
    }
    this.#connects = fields[fields.indexOf(':method') + 1] === 'CONNECT'
    const whole = end || this.#connects
    this.body.begin(head.contentLength >= 0, whole)
    const failure =
      problem === undefined ? readRequest(this.request, manager, this.#carrier.peer, this.services, whole) : headFailure(problem)
    const exchange = new Exchange(this, manager)
    this.#exchange = exchange
    if (failure !== undefined) return exchange.fail(failure, problem ?? '')
    const timeoutMs = manager.requestTimeoutMs
    if (!whole && timeoutMs !== undefined && timeoutMs > 0) {
      this.#requestDeadline = this.services.wheel.after(timeoutMs, () => this.#exchange?.onRequestTimeout())
    }
    exchange.start(NOTHING)
  }

  onData(bytes: Buffer, end: boolean, nowMs: number): void {
    this.lastMoveMs = nowMs
    if (this.#connects) return this.#onTunnelData(bytes, end)
    this.body.receive(bytes, end)
    if (end) this.#cancelDeadline()
    this.#exchange?.onRequestBody(bytes)
    if (this.#paused) this.#uncredited += bytes.length
    else this.#carrier.codec.consumed(this.#id, bytes.length)
  }

  /** What comes before the tunnel is open waits, uncredited: the stream's window bounds it. */
  #onTunnelData(bytes: Buffer, end: boolean): void {
    if (this.#tunnel !== undefined) return this.#tunnel.receive(bytes, end)
    if (this.#exchange === undefined) return this.#carrier.codec.consumed(this.#id, bytes.length)
    this.#early ??= []
    this.#early.push(Buffer.from(bytes))
    this.#endsEarly ||= end
  }

  onTrailers(fields: FieldList): void {
    if (this.#connects) return this.#onTunnelData(NOTHING, true)
    this.body.end(trailerText(fields))
    this.#cancelDeadline()
    this.#exchange?.onRequestBody(NOTHING)
  }

  /** The stream is gone. */
  onReset(by: 'peer' | 'violation' | 'connection'): void {
    // The tunnel hears of it and ends its exchange, with what it has counted.
    if (this.#tunnel !== undefined) return this.#tunnel.onReset()
    this.#exchange?.onClientGone(by === 'peer' ? 'downstream-reset' : by === 'violation' ? 'downstream-broken' : 'downstream-closed')
  }

  onClientDrain(): void {
    this.#tunnel?.onDrain()
    this.#exchange?.onClientDrain()
  }

  onIdle(): void {
    this.#exchange?.onIdle()
  }

  // ------------------------------------------------------------------------------------------------------ what the exchange asks

  get clientCertLine(): string {
    return this.#carrier.peer.clientCertLine(this.#manager, this.request.head)
  }

  get keepsClientCert(): boolean {
    return this.#carrier.peer.keepsClientCert(this.#manager)
  }

  authorizationFacts(): AuthorizationFacts {
    return httpAuthorizationFacts(this.request, this.#carrier.peer, this.#manager)
  }

  framingOf(kind: BodyKind): ResponseFraming {
    return kind === 'chunked' ? AS_PAYLOAD : AS_IT_COMES
  }

  write(head: string, chunk: Buffer, body: MessageBody): boolean {
    const { codec } = this.#carrier
    this.lastMoveMs = this.services.clock.monotonicMs()
    if (head !== '') {
      const end = endsWithHead(body)
      codec.respond(this.#id, responseFields(head), end)
      if (end) return true
    }
    // While the socket is full too: what was produced is bounded by what one read of the upstream brings.
    const flowing = sendBody(codec, this.#id, chunk, body)
    return !this.#carrier.waitsForSocket(this.#id) && flowing
  }

  inform(head: string): void {
    this.#carrier.codec.respond(this.#id, responseFields(head), false)
  }

  answer(head: string, content: string): void {
    const { codec } = this.#carrier
    const fields = responseFields(head)
    if (content !== '' || this.request.method === 'HEAD') {
      codec.respond(this.#id, fields, content === '')
      if (content !== '') codec.data(this.#id, Buffer.from(content, 'latin1'), true)
      return
    }
    // END_STREAM says it (Envoy: an answer of its own without content has no length).
    const length = fields.indexOf('content-length')
    if (length !== -1) fields.splice(length, 2)
    codec.respond(this.#id, fields, true)
  }

  limitIdle(idleTimeoutMs: number): void {
    this.idleLimitMs = idleTimeoutMs
  }

  pauseReading(): void {
    this.#paused = true
  }

  resumeReading(): void {
    this.#paused = false
    const bytes = this.#uncredited
    if (bytes === 0) return
    this.#uncredited = 0
    this.#carrier.codec.consumed(this.#id, bytes)
  }

  startTunnel(
    upstream: Duplex,
    head: string,
    rest: Buffer,
    idleTimeoutMs: number | undefined,
    onClose: (result: TunnelResult) => void,
  ): void {
    const carrier = this.#carrier
    carrier.codec.respond(this.#id, responseFields(head), false)
    const tunnel = new StreamSocket({ codec: carrier.codec, waitsForSocket: () => carrier.waitsForSocket(this.#id) }, this.#id)
    this.#tunnel = tunnel
    // It has a watch of its own.
    this.idleLimitMs = 0
    if (rest.length > 0) tunnel.write(rest)
    const joined = joinSockets(tunnel, upstream, { ...this.services, idleTimeoutMs, onClose })
    this.#cutTunnel = () => joined.cut()
    const early = this.#early ?? []
    this.#early = undefined
    for (const bytes of early) tunnel.receive(bytes, false)
    if (this.#endsEarly) tunnel.receive(NOTHING, true)
  }

  /** Whoever serves the connection no longer wants it: a tunnel has no end of its own. */
  cutTunnel(): void {
    this.#cutTunnel?.()
  }

  /** Never asked for: connect-tunnel.ts. */
  openTunnelHere(): void {
    this.#exchange?.fail('upgrade-refused')
  }

  exchangeDone(whole: boolean): void {
    const { codec } = this.#carrier
    this.#exchange = undefined
    this.#cancelDeadline()
    for (const { length } of this.#early ?? []) codec.consumed(this.#id, length)
    this.#early = undefined
    // What the upstream did not take is no longer waited for; the connection's window is for the others.
    this.resumeReading()
    if (!whole) codec.reset(this.#id, ErrorCode.INTERNAL_ERROR)
    else if (!this.body.done || this.#connects) codec.finish(this.#id)
    this.#carrier.streamDone(this.#id)
  }

  #cancelDeadline(): void {
    if (this.#requestDeadline === undefined) return
    this.services.wheel.cancel(this.#requestDeadline)
    this.#requestDeadline = undefined
  }
}
