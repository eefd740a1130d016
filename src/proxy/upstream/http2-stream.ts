// One request on an HTTP/2 connection to an endpoint. Made by http2-session.ts; ends when the response and the request have ended, when it
// is reset, or with the connection. Invariant: the user hears of one end only, and nothing after release or abandon.

import { reasonPhrase } from '../http/reason-phrase.ts'
import type { BodyKind } from '../http1/body-reader.ts'
import { ChunkedReader } from '../http1/chunked-reader.ts'
import { MessageHead } from '../http1/head.ts'
import type { MessageBody } from '../http1/message-body.ts'
import { Outflow } from '../http1/outflow.ts'
import { parseResponseHead } from '../http1/parse-head.ts'
import type { Http2Connection } from '../http2/connection.ts'
import { ErrorCode } from '../http2/error-codes.ts'
import type { FieldList } from '../http2/hpack-decoder.ts'
import { endsWithHead, sendBody } from '../http2/send-body.ts'
import { StreamBody } from '../http2/stream-body.ts'
import { StreamSocket } from '../http2/stream-socket.ts'
import { requestFields, responseText, trailerText } from '../http2/translate-head.ts'
import type { FailureKind } from '../rescue.ts'
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts'

const MAX_FIELDS = 100
const NOTHING = Buffer.alloc(0)

/** The connection that carries it (http2-session.ts). */
export interface StreamCarrier {
  readonly codec: Http2Connection
  readonly principal: string
  readonly mutualTls: boolean
  readonly alpn: string
  readonly localAddress: string
  toldPeer: boolean
  /** Undefined: no room any more. */
  open(stream: Http2Stream, fields: FieldList, end: boolean): number | undefined
  /** The socket takes no more; the stream will hear onDrain. */
  waitsForSocket(stream: Http2Stream): boolean
  /** A response's head waits for the content that may have come with it. */
  headWaits(stream: Http2Stream): void
  /** Octets of the buffer just read are still to be written somewhere. */
  keepInput(): void
  streamDone(stream: Http2Stream): void
  /** Whether the peer takes CONNECT with :protocol (RFC 8441); undefined until its settings are here. */
  readonly takesConnectProtocol: boolean | undefined
  /** Once they are. */
  whenSettled(stream: Http2Stream): void
}

export class Http2Stream implements UpstreamStream {
  readonly head = new MessageHead()
  readonly body = new StreamBody()
  /** A stream of a connection that others use too: what is lost with it may have been processed. */
  readonly mayBeStale = false
  bodyKind: BodyKind = 'none'
  /** 0: not opened yet. */
  id = 0
  readonly #session: StreamCarrier
  #user: UpstreamUser | undefined
  #headWaits = false
  #withoutContent = false
  #paused = false
  #uncredited = 0
  #tunnel: StreamSocket | undefined
  #heldHead = ''
  #decoder: { readonly chunks: ChunkedReader; readonly body: DecodedBody } | undefined

  constructor(session: StreamCarrier, user: UpstreamUser) {
    this.#session = session
    this.#user = user
  }

  get principal(): string {
    return this.#session.principal
  }

  get mutualTls(): boolean {
    return this.#session.mutualTls
  }

  get alpn(): string {
    return this.#session.alpn
  }

  get localAddress(): string {
    return this.#session.localAddress
  }

  get toldPeer(): boolean {
    return this.#session.toldPeer
  }

  set toldPeer(told: boolean) {
    this.#session.toldPeer = told
  }

  // ------------------------------------------------------------------------------------------------------------------- sending

  send(head: string, chunk: Buffer, body: MessageBody): boolean {
    if (head !== '' && this.#user !== undefined && this.#user.upgrade !== '') return this.#connect(head)
    const content = body.form === 'chunks' ? this.#decoded(chunk, body) : body
    if (head !== '' && !this.#open(head, endsWithHead(content))) return true
    if (this.id === 0 || (head !== '' && endsWithHead(content))) return true
    const flowing = sendBody(this.#session.codec, this.id, chunk, content)
    return !this.#session.waitsForSocket(this) && flowing
  }

  sendKept(head: string, pieces: readonly Buffer[], body: MessageBody): boolean {
    const whole = new DecodedBody()
    whole.out.pieces.push(...pieces)
    whole.done = body.done
    whole.trailers = body.trailers
    whole.form = body.form
    return this.send(head, NOTHING, whole)
  }

  /** RFC 8441 3: CONNECT with :protocol only where the peer has said that it takes it. */
  #connect(head: string): boolean {
    const extended = this.#user?.upgrade !== 'connect'
    const { takesConnectProtocol } = this.#session
    if (extended && takesConnectProtocol === undefined) {
      this.#heldHead = head
      this.#session.whenSettled(this)
    } else if (extended && takesConnectProtocol === false) {
      queueMicrotask(() => this.fail('upstream-protocol', 'the endpoint takes no extended CONNECT over HTTP/2 (RFC 8441)'))
    } else this.#open(head, false)
    return true
  }

  onSettled(): void {
    const head = this.#heldHead
    this.#heldHead = ''
    if (head !== '' && this.#user !== undefined) this.#connect(head)
  }

  #open(head: string, end: boolean): boolean {
    const user = this.#user
    if (user === undefined) return false
    const id = this.#session.open(this, requestFields(head, user.scheme, user.upgrade), end)
    if (id === undefined) {
      // The peer lowered its limit, or went away, between the choice and the first octet.
      queueMicrotask(() => this.fail('upstream-refused', ''))
      return false
    }
    this.id = id
    return true
  }

  /** What HTTP/1.1 sent in chunked coding, without it. */
  #decoded(chunk: Buffer, from: MessageBody): MessageBody {
    if (this.#decoder === undefined) {
      const body = new DecodedBody()
      this.#decoder = { body, chunks: new ChunkedReader(body.out) }
      this.#decoder.chunks.begin(true)
    }
    const { chunks, body } = this.#decoder
    const pieces: Buffer[] = []
    for (const coded of from.out.pieces.length > 0 ? from.out.pieces : [chunk.subarray(from.out.start, from.out.end)]) {
      body.out.clear()
      chunks.read(coded, 0)
      if (body.out.pieces.length > 0) pieces.push(...body.out.pieces)
      else if (body.out.end > body.out.start) pieces.push(coded.subarray(body.out.start, body.out.end))
    }
    body.out.clear()
    body.out.pieces.push(...pieces)
    body.done = chunks.done
    body.trailers = chunks.trailers
    return body
  }

  // ----------------------------------------------------------------------------------------------------------------- receiving

  onHeaders(fields: FieldList, kind: 'head' | 'interim' | 'trailers', end: boolean): void {
    if (this.#tunnel !== undefined) return this.#tunnel.receive(NOTHING, true)
    const user = this.#user
    if (user === undefined) return
    if (kind === 'trailers') {
      this.body.end(trailerText(fields))
      return this.#deliver(NOTHING)
    }
    const status = Number(fields[1])
    if (user.upgrade !== '' && kind === 'head' && status >= 200 && status < 300) return this.#onTunnel(user, fields, end)
    this.#withoutContent = user.method === 'HEAD' || status < 200 || status === 204 || status === 304
    const text = responseText(fields, reasonPhrase, !end && !this.#withoutContent)
    const problem = parseResponseHead(this.head, text, MAX_FIELDS)
    if (problem !== undefined) return this.#break(`protocol_error: ${problem}`)
    if (kind === 'interim') return user.onInformational(this)
    const hasLength = this.head.contentLength >= 0
    this.bodyKind = end || this.#withoutContent ? 'none' : hasLength ? 'length' : 'chunked'
    this.body.begin(hasLength || this.#withoutContent, end)
    if (user.onResponseHead(this) === 'stop') return
    if (end) return this.#deliver(NOTHING)
    // Content that came with it leaves with it; the session asks at the end of what it has read.
    this.#headWaits = true
    this.#session.headWaits(this)
  }

  #onTunnel(user: UpstreamUser, fields: FieldList, end: boolean): void {
    // Said as HTTP/1.1 would say it.
    const upgrades = user.upgrade !== 'connect'
    const asked = upgrades ? [':status', '101', ...fields.slice(2), 'connection', 'upgrade', 'upgrade', user.upgrade] : fields
    const problem = parseResponseHead(this.head, responseText(asked, reasonPhrase, false), MAX_FIELDS)
    if (problem !== undefined) return this.#break(`protocol_error: ${problem}`)
    user.onSwitched(this, NOTHING)
    if (end) this.#tunnel?.receive(NOTHING, true)
  }

  onData(bytes: Buffer, end: boolean): void {
    if (this.#tunnel !== undefined) return this.#tunnel.receive(bytes, end)
    if (this.#user === undefined) return this.#session.codec.consumed(this.id, bytes.length)
    // RFC 9110 6.4.1: no content here; passed on, the next hop would take it for another message.
    if (this.#withoutContent && bytes.length > 0) return this.#break('protocol_error: content in an answer that has none')
    this.body.receive(bytes, end)
    const { id } = this
    const { out } = this.body
    this.#deliver(bytes)
    if (out.retained || out.pendingIn !== undefined) this.#session.keepInput()
    out.forget()
    if (this.#paused) this.#uncredited += bytes.length
    else this.#session.codec.consumed(id, bytes.length)
  }

  /** Nothing came with the head: it goes alone. */
  flushHead(): void {
    if (!this.#headWaits) return
    this.body.out.clear()
    this.#deliver(NOTHING)
  }

  #deliver(chunk: Buffer): void {
    this.#headWaits = false
    this.#user?.onResponseBody(this, chunk)
  }

  onDrain(): void {
    this.#tunnel?.onDrain()
    this.#user?.onUpstreamDrain()
  }

  /** The stream is gone, and why. */
  fail(failure: FailureKind, reason: string): void {
    const user = this.#user
    this.#user = undefined
    if (this.#tunnel !== undefined) return this.#tunnel.onReset()
    this.#session.streamDone(this)
    user?.onUpstreamFailure(failure, reason)
  }

  #break(reason: string): void {
    this.#session.codec.reset(this.id, ErrorCode.PROTOCOL_ERROR)
    this.fail('upstream-protocol', reason)
  }

  // ------------------------------------------------------------------------------------------------------------ what users ask

  pause(): void {
    this.#paused = true
  }

  resume(): void {
    this.#paused = false
    const bytes = this.#uncredited
    if (bytes === 0) return
    this.#uncredited = 0
    this.#session.codec.consumed(this.id, bytes)
  }

  release(): void {
    // A tunnel that was refused: its stream is still open on our side.
    if (this.#user !== undefined && this.#user.upgrade !== '') return this.abandon()
    this.#user = undefined
    this.resume()
    this.#session.streamDone(this)
  }

  abandon(): void {
    this.#user = undefined
    this.resume()
    // After a whole response the request is cut off as no longer wanted, before it as cancelled.
    if (this.id !== 0) this.#session.codec.reset(this.id, this.body.done ? ErrorCode.NO_ERROR : ErrorCode.CANCEL)
    this.#session.streamDone(this)
  }

  detach(): StreamSocket {
    const session = this.#session
    this.#user = undefined
    this.#tunnel = new StreamSocket({ codec: session.codec, waitsForSocket: () => session.waitsForSocket(this) }, this.id)
    return this.#tunnel
  }

  detachedClosed(): void {
    this.#session.streamDone(this)
  }
}

class DecodedBody implements MessageBody {
  done = false
  readonly payloadBytes = 0
  form: MessageBody['form'] = 'open'
  trailers = ''
  readonly out = new Outflow()
}
