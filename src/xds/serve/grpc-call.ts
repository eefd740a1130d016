// One gRPC call on one HTTP/2 stream: messages in, chunks out, a status at the end ("gRPC over HTTP2"). Made by grpc-server.ts.
// Invariants: every call is answered with a status exactly once; a large message is written without copying it; reading is bounded.
import type { ServerHttp2Stream } from 'node:http2'
import { GrpcMessageReader } from './grpc-message.ts'

/** The codes that we answer with (gRPC's statuscodes.md). */
export const grpcStatus = {
  OK: 0,
  INVALID_ARGUMENT: 3,
  PERMISSION_DENIED: 7,
  RESOURCE_EXHAUSTED: 8,
  UNIMPLEMENTED: 12,
  INTERNAL: 13,
  UNAVAILABLE: 14,
  UNAUTHENTICATED: 16,
} as const

export interface GrpcCaller {
  readonly from: string
  /** DER of the certificate that TLS verified; the same buffer for every call on one connection. */
  readonly peerCertificate: Buffer | undefined
  /** DER of what the peer sent beside it, issuer first; nothing when a TLS session was resumed. */
  readonly peerChain: readonly Buffer[]
  /** Value of the `authorization` header. */
  readonly authorization: string | undefined
}

export interface CallListener {
  message(bytes: Buffer): void
  /** The client says nothing more. */
  ended(): void
  /** The stream is gone, whoever ended it. Runs exactly once. */
  closed(): void
}

const HEADERS = { ':status': 200, 'content-type': 'application/grpc' } as const
const HEAD_BYTES = 5
/** Up to here copying a message is cheaper than handing its pieces over one by one; a larger one is the same bytes for all clients. */
const JOINED_BYTES = 8 * 1024
const MAX_REQUEST_BYTES = 8 * 1024 * 1024

export class GrpcCall {
  readonly caller: GrpcCaller
  readonly #stream: ServerHttp2Stream
  #ended = false

  constructor(stream: ServerHttp2Stream, caller: GrpcCaller) {
    this.#stream = stream
    this.caller = caller
    stream.respond(HEADERS, { waitForTrailers: true })
  }

  listen(listener: CallListener): void {
    const reader = new GrpcMessageReader(MAX_REQUEST_BYTES)
    this.#stream.on('data', (chunk: Buffer) => {
      if (this.#ended) return
      const failure = reader.read(chunk, (message) => {
        if (!this.#ended) listener.message(message)
      })
      if (failure === 'too-long') this.end(grpcStatus.RESOURCE_EXHAUSTED, `a request is longer than ${MAX_REQUEST_BYTES} bytes`)
      else if (failure === 'compressed') this.end(grpcStatus.UNIMPLEMENTED, 'compressed messages are not understood here')
    })
    this.#stream.on('end', () => listener.ended())
    this.#stream.on('close', () => listener.closed())
  }

  /** Sends one message made of these chunks. `flushed` runs when the connection has taken them; never when the stream is gone first. */
  write(chunks: readonly Uint8Array[], flushed: () => void): void {
    if (this.#ended || this.#stream.destroyed) return
    let length = 0
    for (const chunk of chunks) length += chunk.length
    const head = Buffer.allocUnsafe(HEAD_BYTES)
    head.writeUInt8(0, 0)
    head.writeUInt32BE(length, 1)
    if (length <= JOINED_BYTES) {
      this.#stream.write(Buffer.concat([head, ...chunks], HEAD_BYTES + length), flushed)
      return
    }
    const last = chunks.length - 1
    this.#stream.cork()
    this.#stream.write(head, last === -1 ? flushed : undefined)
    for (const [index, chunk] of chunks.entries()) this.#stream.write(chunk, index === last ? flushed : undefined)
    this.#stream.uncork()
  }

  end(code: number, details: string): void {
    if (this.#ended) return
    this.#ended = true
    const stream = this.#stream
    if (stream.destroyed) return
    stream.on('wantTrailers', () => stream.sendTrailers(trailers(code, details)))
    stream.end()
    // What the client still says is of no interest, and unread it would keep the stream open.
    stream.resume()
  }
}

/** An answer of headers alone, before a call has begun. */
export function refuseCall(stream: ServerHttp2Stream, code: number, details: string): void {
  stream.respond({ ...HEADERS, ...trailers(code, details) }, { endStream: true })
  stream.resume()
}

function trailers(code: number, details: string): { readonly 'grpc-status': string; readonly 'grpc-message'?: string } {
  return { 'grpc-status': String(code), ...(details === '' ? {} : { 'grpc-message': percentEncoded(details) }) }
}

/** Everything but printable ASCII, and the percent sign itself ("gRPC over HTTP2", Status-Message). */
function percentEncoded(text: string): string {
  let encoded = ''
  for (const byte of Buffer.from(text)) {
    encoded +=
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25 ? String.fromCharCode(byte) : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`
  }
  return encoded
}
