// A client's HTTP/1.1 connection: reads requests one after the other, lets an exchange serve each, keeps the answers in order.
// Made by sockets/accept once transport and filter chain are known. Pipelined requests wait unread behind the one being served, so a
// client can queue only what its socket buffers hold.
// Invariant: at most one exchange; its response is complete before the next request is looked at.
import type { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import type { AuthorizationFacts } from '../decide/authorize.ts'
import { type BodyKind, BodyReader } from '../http1/body-reader.ts'
import { isPersistent, requestBodyKind } from '../http1/framing.ts'
import { MessageHead } from '../http1/head.ts'
import { HeadReader } from '../http1/head-reader.ts'
import type { MessageBody } from '../http1/message-body.ts'
import { parseRequestHead } from '../http1/parse-head.ts'
import { writeMessage } from '../http1/write-message.ts'
import { withoutContent, writeChunked } from '../http1/write-open-body.ts'
import { CLIENT_PREFACE } from '../http2/frames.ts'
import type { FailureKind } from '../rescue.ts'
import { switchReads } from '../sockets/switch-reads.ts'
import { joinSockets, type Tunnel, type TunnelResult } from '../sockets/tunnel.ts'
import type { Outcome } from '../telemetry/outcome.ts'
import { PassingReads } from '../upstream/passing-reads.ts'
import { type DeadlineOwner, DownstreamDeadlines } from './downstream-deadlines.ts'
import type { DownstreamPeer } from './downstream-peer.ts'
import { Exchange } from './exchange.ts'
import type { ExchangeHost } from './exchange-host.ts'
import { httpAuthorizationFacts } from './http-authorization-facts.ts'
import { IncomingRequest } from './incoming-request.ts'
import { headFailure, readRequest } from './read-request.ts'
import { type ResponseFraming, responseFraming } from './response-head.ts'
import type { HttpBinding, HttpServices } from './services.ts'

/** What of an unwanted request body is read to keep the connection; beyond it the connection is closed (RFC 9112 9.3). */
const MAX_DRAINED_BYTES = 256 * 1024
/** RFC 9112 9.6: after the last answer, read on for a moment, or a reset may destroy the answer on its way. */
const LINGER_MS = 1000

/** Octets have no end of an exchange at which to part. Istio: drain duration. */
export const TUNNEL_DRAIN_MS = 45_000

/** First octet of a ClientHello's record (RFC 8446 5.1). */
const TLS_HANDSHAKE = 22
const TLS_INSIDE = 'TLS inside a CONNECT tunnel is not forwarded: call http://, the mesh encrypts on the way'

export class DownstreamConnection implements ExchangeHost, DeadlineOwner {
  readonly services: HttpServices
  readonly facts: DownstreamPeer['facts']
  readonly request: IncomingRequest
  readonly body = new BodyReader()
  readonly destination: DownstreamPeer['destination']
  readonly canTunnel = true
  mustClose = false
  /** Takes the connection over when its first octets are HTTP/2's preface; undefined once they are not. */
  handOver: ((first: Buffer) => void) | undefined

  readonly #socket: Socket
  #binding: HttpBinding
  readonly #peer: DownstreamPeer
  readonly #head = new MessageHead()
  readonly #reader: HeadReader
  readonly #onClosed: () => void
  readonly #listeners = {
    data: (chunk: Buffer): void => this.#onData(chunk),
    end: (): void => this.#onEnd(),
    drain: (): void => this.#onDrain(),
    error: noteNothing,
    close: (): void => this.#onClose(),
  }
  #prefacePart: Buffer | undefined
  /** What the connection is read into after its first octets; undefined: Node's own buffers. */
  #reads: PassingReads | undefined
  #readsChosen = false
  #exchange: Exchange | undefined
  #held: Buffer | undefined
  #tunnel: Tunnel | undefined
  #consuming = false
  #pausedByExchange = false
  #waitsForDrain = false
  #closing = false
  #clientEnded = false
  #leaving = false
  /** The octets that come are inside a tunnel that ends here. */
  #tunnelled = false
  #opensTunnel = false
  #drainedBytes = 0
  readonly #deadlines: DownstreamDeadlines

  constructor(socket: Socket, services: HttpServices, binding: HttpBinding, peer: DownstreamPeer, onClosed: () => void) {
    this.#socket = socket
    this.services = services
    this.#binding = binding
    this.#peer = peer
    this.facts = peer.facts
    this.destination = peer.destination
    this.request = new IncomingRequest(this.#head)
    this.#reader = new HeadReader(binding.manager.maxRequestHeadersBytes)
    this.#onClosed = onClosed
    this.#deadlines = new DownstreamDeadlines(services, binding.manager, this)
    socket.on('data', this.#listeners.data)
    socket.on('end', this.#listeners.end)
    socket.on('drain', this.#listeners.drain)
    socket.on('error', this.#listeners.error)
    socket.on('close', this.#listeners.close)
  }

  get isIdle(): boolean {
    return (
      this.#exchange === undefined &&
      this.#tunnel === undefined &&
      !this.#reader.started &&
      this.#held === undefined &&
      this.#prefacePart === undefined
    )
  }

  get isServing(): boolean {
    return this.#exchange !== undefined
  }

  /** Nothing is under way, nor has anything been since `quietSinceMs`: the connection ends. */
  closeIfIdle(quietSinceMs: number): void {
    if (this.isIdle && this.#deadlines.lastMoveMs <= quietSinceMs) this.#endGracefully()
  }

  /** The exchange under way, or the next, is the last one; the answer says so. What is pipelined behind it is not served. */
  leave(): void {
    this.#leaving = true
    this.services.wheel.after(TUNNEL_DRAIN_MS, () => this.#tunnel?.cut())
  }

  /** Another connection manager of the same kind serves from the next request on. */
  rebind(binding: HttpBinding): void {
    this.#binding = binding
    this.#deadlines.rebind(binding.manager)
  }

  close(): void {
    this.#tunnel?.cut()
    this.#socket.destroy()
  }

  // ------------------------------------------------------------------------------------------------------- what the exchange asks

  get closesAfter(): boolean {
    // Requests that wait behind this one were sent in good faith: they are answered before the connection ends.
    return this.mustClose || this.#leaving || ((this.#clientEnded || this.services.activity.draining) && this.#held === undefined)
  }

  get clientCertLine(): string {
    return this.#peer.clientCertLine(this.#binding.manager, this.#head)
  }

  get keepsClientCert(): boolean {
    return this.#peer.keepsClientCert(this.#binding.manager)
  }

  authorizationFacts(): AuthorizationFacts {
    return httpAuthorizationFacts(this.request, this.#peer, this.#binding.manager)
  }

  get protocol(): Outcome['protocol'] {
    return this.#head.minorVersion === 1 ? 'HTTP/1.1' : 'HTTP/1.0'
  }

  framingOf(kind: BodyKind): ResponseFraming {
    return responseFraming(kind, this.#head.minorVersion)
  }

  write(head: string, chunk: Buffer, body: MessageBody): boolean {
    this.#deadlines.moved()
    if (body.form === 'open' && this.#head.minorVersion === 1) return writeChunked(this.#socket, head, chunk, body)
    const whole = body.form === 'empty' && head !== '' && mayAnnounceLength(head, this.request.method) ? withoutContent(head) : head
    return writeMessage(this.#socket, whole, chunk, body.out)
  }

  inform(head: string): void {
    this.#socket.write(head, 'latin1')
  }

  answer(head: string, content: string): void {
    this.#socket.write(head + content, 'latin1')
  }

  limitIdle(idleTimeoutMs: number): void {
    this.#deadlines.limitIdle(idleTimeoutMs)
  }

  pauseReading(): void {
    this.#pausedByExchange = true
    this.#updateReading()
  }

  resumeReading(): void {
    this.#pausedByExchange = false
    this.#updateReading()
  }

  startTunnel(upstream: Duplex, head: string, rest: Buffer, idleTimeoutMs: number | undefined, onClose: (result: TunnelResult) => void) {
    const socket = this.#socket
    for (const event of ['data', 'end', 'drain'] as const) socket.removeAllListeners(event)
    this.#deadlines.clear()
    socket.cork()
    socket.write(head, 'latin1')
    if (rest.length > 0) socket.write(rest)
    socket.uncork()
    const early = this.#held
    this.#held = undefined
    this.#tunnel = joinSockets(socket, upstream, { ...this.services, idleTimeoutMs, onClose, clientReads: this.#reads })
    if (early !== undefined) upstream.write(early)
  }

  openTunnelHere(): void {
    // RFC 9110 9.3.6: a 2xx to CONNECT has no body, and from here on Connection of its head means nothing.
    this.#socket.write('HTTP/1.1 200 OK\r\n\r\n', 'latin1')
    this.mustClose = false
    this.#tunnelled = this.#opensTunnel = true
  }

  exchangeDone(whole: boolean): void {
    this.#exchange = undefined
    this.#deadlines.exchangeDone()
    if (this.#tunnel !== undefined) return
    if (!whole) {
      this.#socket.destroy()
      return
    }
    this.#pausedByExchange = false
    this.#reads?.rest()
    this.#deadlines.moved()
    // Whoever was just let into a tunnel still has to be asked what for.
    if (this.closesAfter && !this.#opensTunnel) return this.#endGracefully()
    this.#opensTunnel = false
    this.#waitsForDrain = this.#socket.writableNeedDrain
    this.#drainedBytes = 0
    if (!this.#consuming) this.#continue()
  }

  // ------------------------------------------------------------------------------------------------------------------- reading

  #onData(chunk: Buffer): void {
    if (this.#closing) return
    if (this.#held !== undefined) {
      // Arrived between pausing and the pause taking effect.
      this.#held = Buffer.concat([this.#held, chunk])
      return
    }
    if (this.handOver !== undefined) return this.#recognize(chunk, this.handOver)
    this.#consume(chunk)
    if (!this.#readsChosen) this.#chooseReads()
  }

  #chooseReads(): void {
    // Another time: paused, it would read on (switch-reads.ts), and what waits must stay in order.
    if (this.#socket.isPaused() || this.#socket.readableLength > 0) return
    this.#readsChosen = true
    if (this.#tunnel !== undefined || this.#closing) return
    this.#reads = switchReads(this.#socket, () => new PassingReads())
    if (this.#reads !== undefined) this.#reads.onData = (bytes) => this.#onBufferedData(bytes)
  }

  #onBufferedData(chunk: Buffer): void {
    const { out } = this.body
    out.forget()
    this.#onData(chunk)
    // What was not looked at yet is a view of the buffer too.
    if (out.retained || this.#held !== undefined) this.#reads?.retain()
    else if (out.pendingIn !== undefined) this.#reads?.lend(out.pendingIn)
  }

  /** The first octets: the preface, a beginning of it (of which the rest is awaited), or HTTP/1.1. */
  #recognize(chunk: Buffer, handOver: (first: Buffer) => void): void {
    const bytes = this.#prefacePart === undefined ? chunk : Buffer.concat([this.#prefacePart, chunk])
    const length = Math.min(bytes.length, CLIENT_PREFACE.length)
    const matches = CLIENT_PREFACE.compare(bytes, 0, length, 0, length) === 0
    if (matches && length < CLIENT_PREFACE.length) {
      this.#prefacePart = bytes
      return
    }
    this.handOver = this.#prefacePart = undefined
    if (!matches) return this.#consume(bytes)
    this.#deadlines.clear()
    for (const event of ['data', 'end', 'drain', 'error', 'close'] as const) this.#socket.removeListener(event, this.#listeners[event])
    handOver(bytes)
  }

  #consume(chunk: Buffer): void {
    let at = 0
    this.#consuming = true
    while (at < chunk.length && !this.#closing && !this.#socket.destroyed && this.#tunnel === undefined) {
      if (!this.body.done) at = this.#readBody(chunk, at)
      else if (this.#exchange !== undefined || this.#waitsForDrain) {
        this.#held = at === 0 ? chunk : chunk.subarray(at)
        break
      } else {
        const next = this.#readHead(chunk, at)
        if (next === -1) break
        at = next
      }
    }
    this.#consuming = false
    this.#updateReading()
  }

  /** The held requests, now that the answer before them is out. */
  #continue(): void {
    const held = this.#held
    if (held !== undefined && !this.#waitsForDrain) {
      this.#held = undefined
      this.#consume(held)
    } else this.#updateReading()
  }

  #readBody(chunk: Buffer, at: number): number {
    const { body } = this
    const end = body.read(chunk, at)
    if (body.problem) {
      // RFC 9112 7.1: the framing is lost, and with it the place where a next request could begin.
      this.mustClose = true
      if (this.#exchange === undefined) this.#endGracefully()
      else this.#exchange.fail('ambiguous-request', 'bad chunk')
      return chunk.length
    }
    if (this.#exchange !== undefined) {
      this.#deadlines.moved()
      if (body.done) this.#deadlines.requestDone()
      this.#exchange.onRequestBody(chunk)
    } else {
      this.#drainedBytes += end - at
      if (this.#drainedBytes > MAX_DRAINED_BYTES) this.#endGracefully()
    }
    return end
  }

  /** Returns where to read on, or -1 when the head is not complete or was refused. */
  #readHead(chunk: Buffer, at: number): number {
    const { manager } = this.#binding
    if (this.#tunnelled && !this.#reader.started && chunk[at] === TLS_HANDSHAKE)
      return this.#refuse(manager, 'ambiguous-request', TLS_INSIDE)
    const state = this.#reader.read(chunk, at)
    if (state === 'incomplete') {
      this.#deadlines.headBegan()
      return -1
    }
    const head = this.#head
    if (state !== 'complete') return this.#refuse(manager, state === 'too-large' ? 'headers-too-large' : 'ambiguous-request', state)
    const problem = parseRequestHead(head, this.#reader.text, manager.maxRequestHeaders)
    if (problem !== undefined) return this.#refuse(manager, headFailure(problem), problem)
    const { body } = this
    body.begin(requestBodyKind(head), head.contentLength, 'raw')
    if (!isPersistent(head)) this.mustClose = true
    const failure = readRequest(this.request, manager, this.#peer, this.services, body.done)
    const exchange = new Exchange(this, manager)
    this.#exchange = exchange
    if (failure !== undefined) {
      exchange.fail(failure)
      return -1
    }
    const end = body.read(chunk, this.#reader.bodyStart)
    if (body.problem) {
      exchange.fail('ambiguous-request', 'bad chunk')
      return -1
    }
    this.#deadlines.headDone(!body.done)
    exchange.start(chunk)
    return end
  }

  #refuse(manager: HttpConnectionManager, failure: FailureKind, problem: string): -1 {
    const { request } = this
    this.#head.reset('')
    this.#head.fieldsStart = this.#head.fieldsEnd = 0
    this.#head.minorVersion = 1
    request.method = request.path = request.authority = request.requestId = request.upgrade = ''
    this.body.begin('none', 0, 'raw')
    const exchange = new Exchange(this, manager)
    this.#exchange = exchange
    exchange.fail(failure, problem)
    return -1
  }

  // ------------------------------------------------------------------------------------------------------------ the socket's events

  #onDrain(): void {
    this.#exchange?.onClientDrain()
    if (!this.#waitsForDrain) return
    this.#waitsForDrain = false
    this.#continue()
  }

  #onEnd(): void {
    this.#clientEnded = true
    // The client has said all that it will say; an answer under way still reaches it (RFC 9112 9.6, half-close).
    if (this.#exchange === undefined) {
      // Ended by us already: a second time would make an error that nobody reads.
      if (this.#held === undefined && !this.#socket.writableEnded) this.#socket.end()
    } else if (!this.body.done) this.#exchange.onClientGone('downstream-broken')
  }

  #onClose(): void {
    this.#closing = true
    this.#reads?.close()
    this.#deadlines.clear()
    // A tunnel counts and ends its exchange itself, when both sides are done.
    if (this.#tunnel === undefined) this.#exchange?.onClientGone('downstream-closed')
    this.#onClosed()
  }

  #endGracefully(): void {
    if (this.#closing) return
    this.#closing = true
    this.#held = undefined
    this.#socket.end()
    this.#socket.resume()
    this.#deadlines.linger(LINGER_MS, () => this.#socket.destroy())
  }

  #updateReading(): void {
    const pauses = this.#pausedByExchange || this.#held !== undefined || this.#waitsForDrain
    const socket = this.#socket
    if (pauses === socket.isPaused()) return
    if (pauses) socket.pause()
    else socket.resume()
  }

  // ------------------------------------------------------------------------------------------------------------------- deadlines

  onQuiet(): void {
    if (this.#exchange === undefined) this.#endGracefully()
    else this.#exchange.onIdle()
  }

  onRequestTimeout(failure: FailureKind): void {
    if (this.#exchange === undefined) this.#refuse(this.#binding.manager, failure, '')
    else this.#exchange.onRequestTimeout()
  }

  onOutlived(): void {
    this.leave()
    this.closeIfIdle(Number.POSITIVE_INFINITY)
  }
}

/** An error is followed by 'close', where it is dealt with; without a listener it would end the process. */
function noteNothing(): undefined {
  return undefined
}

/** RFC 9110 8.6: no length in answers that have no content by definition. */
function mayAnnounceLength(head: string, method: string): boolean {
  return method !== 'HEAD' && !head.startsWith('204', 9) && !head.startsWith('304', 9)
}
