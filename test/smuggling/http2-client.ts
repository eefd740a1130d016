// An HTTP/2 client that says whatever a row of http2-requests.ts asks, also what no library would send, and tells how each stream ended.
// Invariant: it waits for signs of the proxy only (an answer, a reset, the end of the connection), never for time.
import { once } from 'node:events'
import net from 'node:net'
import { FrameWriter } from '../../src/proxy/http2/frame-writer.ts'
import { CLIENT_PREFACE, Flag, FrameReader, FrameType } from '../../src/proxy/http2/frames.ts'
import { HpackDecoder } from '../../src/proxy/http2/hpack-decoder.ts'
import { HpackEncoder } from '../../src/proxy/http2/hpack-encoder.ts'

export type Fields = readonly (readonly [name: string, value: string])[]

/** How a stream ended. */
export interface StreamEnd {
  /** 0: no answer. */
  readonly status: number
  readonly body: string
  /** The proxy gave the stream up in place of ending it. */
  readonly reset: boolean
}

export interface StreamToSend {
  readonly fields: Fields
  /** DATA frames, in order; none: the head ends the stream. */
  readonly data: readonly string[]
  readonly trailers: Fields | undefined
}

const MAX_FRAME_SIZE = 16_384

export class Http2Client {
  readonly #socket: net.Socket
  readonly #writer = new FrameWriter()
  readonly #encoder = new HpackEncoder()
  readonly #decoder = new HpackDecoder(1 << 20)
  readonly #reader = new FrameReader(MAX_FRAME_SIZE)
  readonly #open = new Map<number, { status: number; body: string; readonly end: (how: StreamEnd) => void }>()
  #nextStream = 1
  #ended = false

  private constructor(socket: net.Socket) {
    this.#socket = socket
    socket.on('data', (chunk: Buffer) => this.#receive(chunk))
    socket.on('error', () => socket.destroy())
    socket.on('close', () => {
      this.#ended = true
      for (const id of [...this.#open.keys()]) this.#close(id, true)
    })
    this.#writer.raw(CLIENT_PREFACE)
    this.#writer.frame(FrameType.SETTINGS, 0, 0, undefined)
    this.#flush()
  }

  static async connect(port: number): Promise<Http2Client> {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    await once(socket, 'connect')
    return new Http2Client(socket)
  }

  /** The proxy has given up the whole connection. */
  get ended(): boolean {
    return this.#ended
  }

  send({ fields, data, trailers }: StreamToSend): Promise<StreamEnd> {
    const id = this.#nextStream
    this.#nextStream += 2
    const over = new Promise<StreamEnd>((resolve) => this.#open.set(id, { status: 0, body: '', end: resolve }))
    if (this.#ended) this.#close(id, true)
    this.#writer.headers(id, this.#encoder.encode(fields.flat()), data.length === 0 && trailers === undefined, MAX_FRAME_SIZE)
    for (const [index, text] of data.entries()) {
      const last = index === data.length - 1 && trailers === undefined
      this.#writer.frame(FrameType.DATA, last ? Flag.END_STREAM : 0, id, Buffer.from(text, 'latin1'))
    }
    if (trailers !== undefined) this.#writer.headers(id, this.#encoder.encode(trailers.flat()), true, MAX_FRAME_SIZE)
    this.#flush()
    return over
  }

  close(): void {
    this.#socket.destroy()
  }

  #flush(): void {
    const bytes = this.#writer.take()
    if (bytes !== undefined && !this.#socket.destroyed) this.#socket.write(bytes)
  }

  #receive(chunk: Buffer): void {
    this.#reader.push(chunk)
    for (let frame = this.#reader.next(); frame !== undefined && frame !== 'too-large'; frame = this.#reader.next()) {
      const { type, flags, streamId, payload } = frame
      const stream = this.#open.get(streamId)
      if (type === FrameType.SETTINGS && (flags & Flag.ACK) === 0) this.#writer.settingsAck()
      if (type === FrameType.HEADERS) {
        const decoded = this.#decoder.decode(payload)
        const status = decoded.ok && decoded.fields[0] === ':status' ? Number(decoded.fields[1]) : 0
        if (stream !== undefined && status >= 200) stream.status = status
      }
      if (type === FrameType.DATA && stream !== undefined) stream.body += payload.toString('latin1')
      if (type === FrameType.RST_STREAM) this.#close(streamId, true)
      else if ((type === FrameType.HEADERS || type === FrameType.DATA) && (flags & Flag.END_STREAM) !== 0) this.#close(streamId, false)
    }
    this.#flush()
  }

  #close(id: number, reset: boolean): void {
    const stream = this.#open.get(id)
    this.#open.delete(id)
    stream?.end({ status: stream.status, body: stream.body, reset })
  }
}
