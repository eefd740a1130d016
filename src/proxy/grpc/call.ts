// One gRPC call on an HTTP/2 client session: messages out, messages in, one status at the end. Made by channel.ts.
// Invariant: `ended` is called exactly once, and no message after it.
import type { Clock, Timer } from '../../base/clock.ts'
import type { ClientSession, StreamEnd } from '../http2/client-session.ts'
import type { FieldList } from '../http2/hpack-decoder.ts'
import { frameMessage, MessageReader } from './framing.ts'
import { decodeGrpcMessage, GrpcCode, type GrpcStatus, statusFromHttp, statusFromReset } from './status.ts'

export interface CallHandlers {
  message(bytes: Buffer): void
  ended(status: GrpcStatus): void
}

export interface CallOptions {
  readonly path: string
  readonly authority: string
  readonly scheme: 'http' | 'https'
  /** Name, value, ...; lower-case names. */
  readonly metadata: readonly string[]
  readonly deadlineMs: number | undefined
  readonly maxMessageBytes: number
}

export class GrpcCall {
  readonly #session: ClientSession
  readonly #handlers: CallHandlers
  readonly #reader: MessageReader
  readonly #stream: number | undefined
  #deadline: Timer | undefined
  #httpStatus = ''
  #grpcStatus: GrpcStatus | undefined
  #ended = false

  constructor(session: ClientSession, clock: Clock, options: CallOptions, handlers: CallHandlers) {
    this.#session = session
    this.#handlers = handlers
    this.#reader = new MessageReader(options.maxMessageBytes)
    this.#stream = session.open(requestHead(options), false, {
      headers: (fields) => this.#onHeaders(fields),
      data: (bytes) => this.#onData(bytes),
      closed: (end) => this.#onClosed(end),
    })
    if (this.#stream === undefined) {
      queueMicrotask(() => this.#end({ code: GrpcCode.UNAVAILABLE, message: 'the server takes no more streams on this connection' }))
    } else if (options.deadlineMs !== undefined) {
      this.#deadline = clock.after(options.deadlineMs, () => this.#onDeadline(options.deadlineMs ?? 0))
    }
  }

  /** False: the peer reads slowly; what is sent nevertheless is kept. */
  send(message: Uint8Array, last = false): boolean {
    if (this.#stream === undefined || this.#ended) return true
    return this.#session.send(this.#stream, frameMessage(message), last)
  }

  closeSending(): void {
    if (this.#stream !== undefined && !this.#ended) this.#session.send(this.#stream, Buffer.alloc(0), true)
  }

  cancel(status: GrpcStatus = { code: GrpcCode.CANCELLED, message: 'cancelled here' }): void {
    if (this.#ended) return
    const stream = this.#stream
    this.#end(status)
    if (stream !== undefined) this.#session.cancel(stream)
  }

  #onHeaders(fields: FieldList): void {
    let message = ''
    let code: number | undefined
    for (let at = 0; at < fields.length; at += 2) {
      const value = fields[at + 1] ?? ''
      if (fields[at] === ':status') this.#httpStatus = value
      else if (fields[at] === 'grpc-status') code = /^\d{1,3}$/.test(value) ? Number(value) : GrpcCode.UNKNOWN
      else if (fields[at] === 'grpc-message') message = decodeGrpcMessage(utf8(value))
      else if (fields[at] === 'grpc-encoding' && value !== 'identity')
        this.cancel({ code: GrpcCode.UNIMPLEMENTED, message: `the server compresses with ${value}, which was not offered` })
    }
    if (code !== undefined) this.#grpcStatus = { code, message }
  }

  #onData(bytes: Buffer): void {
    // Not gRPC at all: the body of an error page is no message.
    if (this.#httpStatus !== '200') return
    this.#reader.push(bytes)
    while (!this.#ended) {
      const next = this.#reader.next()
      if (next === undefined) return
      if (next === 'compressed') this.cancel({ code: GrpcCode.UNIMPLEMENTED, message: 'a compressed message, which was not offered' })
      else if (next === 'too-large') this.cancel({ code: GrpcCode.RESOURCE_EXHAUSTED, message: 'a message above the size limit' })
      else this.#handlers.message(next)
    }
  }

  #onClosed(end: StreamEnd): void {
    if (this.#grpcStatus !== undefined) return this.#end(this.#grpcStatus)
    if (end.kind === 'connection') return this.#end({ code: GrpcCode.UNAVAILABLE, message: end.reason })
    if (end.kind === 'reset') return this.#end(statusFromReset(end.code, end.reason))
    this.#end(statusFromHttp(this.#httpStatus))
  }

  #onDeadline(deadlineMs: number): void {
    this.cancel({ code: GrpcCode.DEADLINE_EXCEEDED, message: `no answer within ${deadlineMs} ms` })
  }

  #end(status: GrpcStatus): void {
    if (this.#ended) return
    this.#ended = true
    this.#deadline?.cancel()
    const cut = status.code === GrpcCode.OK && !this.#reader.atBoundary
    this.#handlers.ended(cut ? { code: GrpcCode.INTERNAL, message: 'the last message was cut short' } : status)
  }
}

function requestHead(options: CallOptions): string[] {
  const head = [':method', 'POST', ':scheme', options.scheme, ':path', options.path, ':authority', options.authority]
  head.push('te', 'trailers', 'content-type', 'application/grpc', 'user-agent', 'lateen-proxy')
  if (options.deadlineMs !== undefined) head.push('grpc-timeout', `${Math.max(1, Math.ceil(options.deadlineMs))}m`)
  return head.concat(options.metadata)
}

/** Fields are latin1 here; servers that skip the percent-encoding send UTF-8. */
function utf8(value: string): string {
  return /[\x80-\xff]/.test(value) ? Buffer.from(value, 'latin1').toString('utf8') : value
}
