// One HTTP/1.1 connection to an endpoint: writes requests, reads responses, and lends itself to one exchange at a time.
// Made by connection-pool.ts. Invariant: between exchanges nothing is left in either direction; a connection about which that is not
// certain is closed instead of lent again.
import type { Socket } from 'node:net'
import { errorCode } from '../../base/errors.ts'
import { type BodyKind, BodyReader } from '../http1/body-reader.ts'
import { isPersistent, responseBodyKind } from '../http1/framing.ts'
import { MessageHead } from '../http1/head.ts'
import { HeadReader } from '../http1/head-reader.ts'
import type { MessageBody } from '../http1/message-body.ts'
import { parseResponseHead } from '../http1/parse-head.ts'
import { writeMessage } from '../http1/write-message.ts'
import { writeChunked, writeKept } from '../http1/write-open-body.ts'
import type { FailureKind } from '../rescue.ts'
import type { Opened } from './connect.ts'
import type { ReadBuffer } from './read-buffer.ts'
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts'

/** What the pool does when a connection changes hands. */
export interface ConnectionOwner {
  connectionFreed(connection: UpstreamConnection): void
  connectionClosed(connection: UpstreamConnection): void
}

const MAX_HEAD_BYTES = 80 * 1024
const MAX_FIELDS = 100

export class UpstreamConnection implements UpstreamStream {
  readonly socket: Socket
  readonly principal: string
  readonly mutualTls: boolean
  readonly alpn: string
  readonly localAddress: string
  readonly head = new MessageHead()
  readonly body = new BodyReader()
  /** Requests sent on it before the present one. */
  served = 0
  /** When it became idle, by the clock of the pool. */
  idleSinceMs = 0
  /** Octets of a response to the present request have come. */
  responding = false
  /** Metadata exchange: our own labels have been told on this connection. */
  toldPeer = false

  readonly #owner: ConnectionOwner
  readonly #reader = new HeadReader(MAX_HEAD_BYTES)
  readonly #readBuffer: ReadBuffer | undefined
  #user: UpstreamUser | undefined
  #headDone = false
  #clean = true
  #closed = false
  #failure: FailureKind = 'upstream-reset'
  #failureReason = 'connection_termination'

  constructor(opened: Opened, owner: ConnectionOwner) {
    this.socket = opened.socket
    this.principal = opened.principal
    this.mutualTls = opened.mutualTls
    this.alpn = opened.alpn
    this.localAddress = `${opened.socket.localAddress ?? ''}:${opened.socket.localPort ?? 0}`
    this.#owner = owner
    const { socket } = this
    this.#readBuffer = opened.reader
    if (opened.reader === undefined) socket.on('data', (chunk: Buffer) => this.#onData(chunk))
    else opened.reader.onData = (chunk) => this.#onBufferedData(chunk)
    socket.on('end', () => this.#onEnd())
    socket.on('drain', () => this.#user?.onUpstreamDrain())
    socket.on('error', (error) => {
      this.#failureReason = errorCode(error) ?? 'connection_termination'
    })
    socket.on('close', () => this.#onClose())
  }

  get isOpen(): boolean {
    return !this.#closed && !this.socket.destroyed && this.socket.writable
  }

  lend(user: UpstreamUser): void {
    this.#user = user
    this.#headDone = false
    this.#clean = true
    this.responding = false
  }

  get bodyKind(): BodyKind {
    return responseBodyKind(this.head, this.#user?.method ?? '')
  }

  get mayBeStale(): boolean {
    return this.served > 0 && !this.responding
  }

  send(head: string, chunk: Buffer, body: MessageBody): boolean {
    return body.form === 'open' ? writeChunked(this.socket, head, chunk, body) : writeMessage(this.socket, head, chunk, body.out)
  }

  sendKept(head: string, pieces: readonly Buffer[], body: MessageBody): boolean {
    return writeKept(this.socket, head, pieces, body)
  }

  pause(): void {
    this.socket.pause()
  }

  resume(): void {
    if (this.socket.isPaused()) this.socket.resume()
  }

  /** The response is complete and so is the request: the connection may serve the next one. */
  release(): void {
    this.#user = undefined
    this.served++
    if (this.#clean && isPersistent(this.head) && this.isOpen && !this.socket.writableNeedDrain) {
      this.resume()
      this.#readBuffer?.rest()
      this.#owner.connectionFreed(this)
    } else this.close()
  }

  /** The exchange lets go in the middle of a message: nobody can use the connection any more. */
  abandon(): void {
    this.#user = undefined
    this.close()
  }

  close(): void {
    if (this.#closed) return
    this.#closed = true
    this.#readBuffer?.close()
    this.socket.destroy()
    this.#owner.connectionClosed(this)
  }

  /** Hands the socket to a tunnel: this object no longer listens. */
  detach(): Socket {
    this.#user = undefined
    this.#closed = true
    this.#readBuffer?.close()
    const { socket } = this
    socket.removeAllListeners('data')
    socket.removeAllListeners('end')
    socket.removeAllListeners('drain')
    socket.removeAllListeners('error')
    socket.removeAllListeners('close')
    // The tunnel listens to 'data', and keeps what it cannot write at once.
    if (this.#readBuffer !== undefined) this.#readBuffer.onData = (chunk) => socket.emit('data', Buffer.from(chunk))
    return socket
  }

  /** A detached socket was closed: the pool may forget the connection. */
  detachedClosed(): void {
    this.#owner.connectionClosed(this)
  }

  #onBufferedData(chunk: Buffer): void {
    const { out } = this.body
    out.forget()
    this.#onData(chunk)
    if (out.retained) this.#readBuffer?.retain()
    else if (out.pendingIn !== undefined) this.#readBuffer?.lend(out.pendingIn)
  }

  #onData(chunk: Buffer): void {
    const user = this.#user
    // Octets that nobody asked for: whose answer they are cannot be known (RFC 9112 9.2).
    if (user === undefined) return this.close()
    this.responding = true
    let at = 0
    while (!this.#headDone) {
      const state = this.#reader.read(chunk, at)
      if (state === 'incomplete') return
      if (state !== 'complete') return this.#fail('upstream-protocol', `protocol_error: ${state}`)
      const problem = parseResponseHead(this.head, this.#reader.text, MAX_FIELDS)
      if (problem !== undefined) return this.#fail('upstream-protocol', `protocol_error: ${problem}`)
      at = this.#reader.bodyStart
      const { status } = this.head
      if (status === 101 || (user.method === 'CONNECT' && status >= 200 && status < 300)) {
        return user.onSwitched(this, Buffer.from(chunk.subarray(at)))
      }
      if (status < 200) {
        user.onInformational(this)
        if (this.#user !== user) return
        if (at === chunk.length) return
        continue
      }
      this.#headDone = true
      const kind = responseBodyKind(this.head, user.method)
      const output = user.onResponseHead(this)
      if (output === 'stop') return
      this.body.begin(kind, this.head.contentLength, output)
    }
    const end = this.body.read(chunk, at)
    if (this.body.problem) return this.#fail('upstream-protocol', 'protocol_error: bad chunk')
    if (end < chunk.length) this.#clean = false
    user.onResponseBody(this, chunk)
  }

  #onEnd(): void {
    const user = this.#user
    this.#clean = false
    if (user === undefined || !this.#headDone || this.body.done) return this.#closeBroken()
    if (this.body.lacksItsEnd) return this.#closeBroken()
    this.body.readEnd()
    user.onResponseBody(this, NOTHING)
  }

  #onClose(): void {
    this.#closeBroken()
  }

  /** It closed inside a head, or before the end that a head told of: not silence but half a message (RFC 9112 8). */
  #judgeHalfMessage(): void {
    if (this.#user === undefined || this.#failure !== 'upstream-reset') return
    const half = this.#headDone ? this.body.lacksItsEnd : this.#reader.started
    if (!half) return
    this.#failure = 'upstream-protocol'
    this.#failureReason = `protocol_error: the connection ended inside a ${this.#headDone ? 'body' : 'head'}`
  }

  #fail(failure: FailureKind, reason: string): void {
    this.#failure = failure
    this.#failureReason = reason
    this.#closeBroken()
  }

  #closeBroken(): void {
    this.#judgeHalfMessage()
    const user = this.#user
    this.#user = undefined
    this.close()
    user?.onUpstreamFailure(this.#failure, this.#failureReason)
  }
}

const NOTHING = Buffer.alloc(0)
