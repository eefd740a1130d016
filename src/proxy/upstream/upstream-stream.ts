// One attempt of a request at an endpoint, and who is served by it: the contract between pools and exchanges, the same for HTTP/1.1
// (upstream-connection.ts, a connection lent to one exchange at a time) and HTTP/2 (http2-stream.ts).
// Invariant: after release or abandon the user hears nothing more of it.
import type { Duplex } from 'node:stream'
import type { BodyKind, BodyOutput } from '../http1/body-reader.ts'
import type { MessageHead } from '../http1/head.ts'
import type { MessageBody } from '../http1/message-body.ts'
import type { FailureKind } from '../rescue.ts'

/** Who is served by a stream or waits for one. */
export interface UpstreamUser {
  readonly method: string
  readonly scheme: 'http' | 'https'
  /** What the request asks to speak instead of HTTP; 'connect' for CONNECT, '' for nothing. */
  readonly upgrade: string
  /** The stream is its own until it calls release or abandon. */
  onConnection(stream: UpstreamStream): void
  /** No connection, or the one in use broke; it is gone already. */
  onUpstreamFailure(failure: FailureKind, reason: string): void
  /** A 1xx other than 101; the head is in `stream.head`. */
  onInformational(stream: UpstreamStream): void
  /** The final head; returns how the body shall leave. 'stop': the user has let go of the stream. */
  onResponseHead(stream: UpstreamStream): BodyOutput | 'stop'
  /** A part of the body: what `stream.body` says of `chunk`. Called once with `body.done`. */
  onResponseBody(stream: UpstreamStream, chunk: Buffer): void
  /** 101, or 2xx to CONNECT: from here on octets; `rest` came with the head. */
  onSwitched(stream: UpstreamStream, rest: Buffer): void
  onUpstreamDrain(): void
}

export interface UpstreamStream {
  readonly principal: string
  readonly mutualTls: boolean
  readonly alpn: string
  readonly localAddress: string
  /** Metadata exchange: our own labels have been told on this connection. */
  toldPeer: boolean
  /** Of the response. */
  readonly head: MessageHead
  readonly bodyKind: BodyKind
  readonly body: MessageBody
  /** A kept connection from which nothing came: it may have been closed before the request reached the other side. */
  readonly mayBeStale: boolean
  /** Writes the head ('' once it is out) and what `body` says of `chunk`; `body.done` ends it. False: wait for onUpstreamDrain. */
  send(head: string, chunk: Buffer, body: MessageBody): boolean
  /** The same with octets that were read before. */
  sendKept(head: string, pieces: readonly Buffer[], body: MessageBody): boolean
  /** The response comes too fast. */
  pause(): void
  resume(): void
  /** The response is complete and so is the request. */
  release(): void
  /** The exchange lets go in the middle of a message. */
  abandon(): void
  /** Hands the connection to a tunnel; undefined: it is not one exchange's alone. */
  detach(): Duplex | undefined
  /** A detached socket was closed. */
  detachedClosed(): void
}
