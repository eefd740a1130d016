// An API server that forwards ports: the handshake and the frames are real. For tests of port-forward.ts and of the CLI.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import http, { type IncomingMessage } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import type { TestContext } from 'node:test'
import { type KubeConnection, plainConnection } from './connection.ts'

/** A server's frame: not masked. */
export function frame(channel: number, content: Buffer, opcode = 2): Buffer {
  const payload = Buffer.concat([Buffer.from([channel]), content])
  const head = payload.length < 126 ? [0x80 | opcode, payload.length] : [0x80 | opcode, 126, payload.length >> 8, payload.length & 255]
  return Buffer.concat([Buffer.from(head), payload])
}

/** What a client has sent, unmasked; frames of less than 64 KiB. */
function* framesIn(bytes: Buffer): Generator<Buffer> {
  for (let at = 0; at < bytes.length; ) {
    const short = (bytes[at + 1] ?? 0) & 0x7f
    assert.ok(((bytes[at + 1] ?? 0) & 0x80) !== 0, 'a client masks')
    const start = at + (short === 126 ? 8 : 6)
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short
    yield Buffer.from(bytes.subarray(start, start + length).map((each, index) => each ^ (bytes[start - 4 + (index % 4)] ?? 0)))
    at = start + length
  }
}

export type Serve = (socket: Duplex, request: IncomingMessage) => void

/** An API server that forwards: the handshake is real. */
export async function startForwardingServer(
  t: TestContext,
  serve: Serve,
  /** Answers what is no forwarding. */
  answer?: (request: IncomingMessage) => unknown,
): Promise<KubeConnection> {
  const server = http.createServer((request, response) => {
    response.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify(answer?.(request) ?? {}))
  })
  server.on('upgrade', (request, socket) => {
    const accept = createHash('sha1').update(`${request.headers['sec-websocket-key']}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
    const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade', `Sec-WebSocket-Accept: ${accept}`]
    socket.write(`${[...lines, `Sec-WebSocket-Protocol: ${request.headers['sec-websocket-protocol']}`].join('\r\n')}\r\n\r\n`)
    serve(socket, request)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return plainConnection(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
}

/** What comes first on each channel. */
export const PORT = Buffer.from([0x91, 0x1f])

/** Carries bytes to a real port, as the kubelet does. */
export function forwardTo(port: number): Serve {
  return (socket) => {
    const inside: Socket = connect(port, '127.0.0.1')
    socket.write(Buffer.concat([frame(0, PORT), frame(1, PORT)]))
    socket.on('data', (bytes: Buffer) => {
      for (const message of framesIn(bytes)) inside.write(message.subarray(1))
    })
    inside.on('data', (bytes: Buffer) => {
      for (let at = 0; at < bytes.length; at += 30_000) socket.write(frame(0, bytes.subarray(at, at + 30_000)))
    })
    inside.on('close', () => socket.end())
    inside.on('error', () => socket.destroy())
    socket.on('close', () => inside.destroy())
    socket.on('error', () => inside.destroy())
  }
}
