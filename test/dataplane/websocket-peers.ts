// WebSocket neighbours of a proxy under test: servers on HTTP/1.1 and HTTP/2 that send every text back, and a client on HTTP/2. The
// client on HTTP/1.1 is Node's own, which checks the server's proof. Frames are short ones (RFC 6455 5.2).
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import http2 from 'node:http2'
import type { Duplex } from 'node:stream'
import type { TestContext } from 'node:test'
import { startHttp2Upstream } from './http2-peers.ts'
import { startUpstream } from './peers.ts'

const TEXT = 0x81
const MASK = Buffer.from([1, 2, 3, 4])

function frame(text: string, masked: boolean): Buffer {
  const payload = Buffer.from(text)
  const head = Buffer.from([TEXT, payload.length | (masked ? 0x80 : 0)])
  return masked ? Buffer.concat([head, MASK, payload.map((octet, at) => octet ^ (MASK[at % 4] ?? 0))]) : Buffer.concat([head, payload])
}

/** Whole text frames of a stream; others (close) are left out. */
class FrameReader {
  #rest = Buffer.alloc(0)

  read(chunk: Buffer): string[] {
    this.#rest = Buffer.concat([this.#rest, chunk])
    const texts: string[] = []
    for (;;) {
      const masked = ((this.#rest[1] ?? 0) & 0x80) !== 0
      const length = (this.#rest[1] ?? 0) & 0x7f
      const start = masked ? 6 : 2
      if (this.#rest.length < start + length) return texts
      const mask = this.#rest.subarray(2, 6)
      const payload = this.#rest.subarray(start, start + length).map((octet, at) => (masked ? octet ^ (mask[at % 4] ?? 0) : octet))
      if (this.#rest[0] === TEXT) texts.push(payload.toString())
      this.#rest = this.#rest.subarray(start + length)
    }
  }
}

function echo(stream: Duplex): void {
  const frames = new FrameReader()
  stream.on('data', (chunk: Buffer) => {
    for (const text of frames.read(chunk)) stream.write(frame(`echo ${text}`, false))
  })
  stream.on('end', () => stream.end())
  stream.on('error', () => stream.destroy())
}

export interface EchoServer {
  readonly port: number
  /** Heads of the handshakes, as text or as JSON. */
  readonly handshakes: string[]
  readonly streams: Duplex[]
}

export async function startEchoServer(t: TestContext, protocol: 'http1' | 'http2'): Promise<EchoServer> {
  const handshakes: string[] = []
  const streams: Duplex[] = []
  if (protocol === 'http2') {
    const server = await startHttp2Upstream(
      t,
      (stream, headers) => {
        handshakes.push(JSON.stringify(headers))
        streams.push(stream)
        stream.respond({ ':status': 200 })
        echo(stream)
      },
      { settings: { enableConnectProtocol: true } },
    )
    return { port: server.port, handshakes, streams }
  }
  const server = await startUpstream(t, (peer) => {
    void peer.until('\r\n\r\n').then((head) => {
      handshakes.push(head)
      streams.push(peer.socket)
      peer.socket.removeAllListeners('data')
      const key = /sec-websocket-key: (\S+)/i.exec(head)?.[1] ?? ''
      const proof = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
      peer.send(`HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: ${proof}\r\n\r\n`)
      echo(peer.socket)
    })
  })
  return { port: server.port, handshakes, streams }
}

export interface WebSocketClient {
  ask(text: string): Promise<string>
  end(): void
  readonly closed: Promise<unknown>
}

export async function openHttp1(t: TestContext, port: number): Promise<WebSocketClient> {
  const socket = new WebSocket(`ws://127.0.0.1:${port}/chat`)
  t.after(() => socket.close())
  const closed = once(socket, 'close')
  await Promise.race([once(socket, 'open'), once(socket, 'error').then(() => Promise.reject(new Error('the handshake failed')))])
  return {
    ask: async (text) => {
      const answer = once(socket, 'message')
      socket.send(text)
      const [event] = await answer
      return String(event.data)
    },
    end: () => socket.close(),
    closed,
  }
}

/** @param extra further fields of the request. */
export async function openHttp2(
  t: TestContext,
  session: http2.ClientHttp2Session,
  extra: http2.OutgoingHttpHeaders = {},
): Promise<WebSocketClient & { readonly status: number; readonly stream: http2.ClientHttp2Stream }> {
  if (session.remoteSettings.maxConcurrentStreams === undefined) await once(session, 'remoteSettings')
  const fields = { ':method': 'CONNECT', ':protocol': 'websocket', ':scheme': 'http', ':path': '/chat', ':authority': 'chat' }
  const stream = session.request({ ...fields, 'sec-websocket-version': '13', ...extra }, { endStream: false })
  t.after(() => stream.destroy())
  stream.on('error', () => undefined)
  const closed = new Promise((resolve) => stream.once('close', resolve))
  const [headers] = await once(stream, 'response')
  const frames = new FrameReader()
  const waiting: ((text: string) => void)[] = []
  stream.on('data', (chunk: Buffer) => {
    for (const text of frames.read(chunk)) waiting.shift()?.(text)
  })
  return {
    status: Number(headers[http2.constants.HTTP2_HEADER_STATUS]),
    stream,
    ask: (text) => {
      const answer = new Promise<string>((resolve) => waiting.push(resolve))
      stream.write(frame(text, true))
      return answer
    },
    end: () => stream.end(),
    closed,
  }
}
