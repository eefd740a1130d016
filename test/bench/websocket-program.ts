// Both ends of WebSocket connections that carry small frames, as a program of its own: node websocket-program.ts server, or ... client PORT
// SECONDS CONNECTIONS. After the handshake the server sends every octet back; the client keeps one masked frame of 100 octets under way
// per connection and prints how many came back whole, as JSON. An answer with other octets ends the program.
import { createHash } from 'node:crypto'
import net, { type AddressInfo } from 'node:net'
import { BENCH_HOST } from './bootstraps.ts'

/** RFC 6455 1.3. */
const ACCEPT_SUFFIX = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11'
const KEY = Buffer.alloc(16, 'k').toString('base64')
/** FIN and binary; masked, 100 octets; the mask, here of zeros, so that the payload is readable. */
const FRAME = Buffer.concat([Buffer.from([0x82, 0x80 | 100, 0, 0, 0, 0]), Buffer.alloc(100, 'w')])

function serve(): void {
  const server = net.createServer({ noDelay: true }, (socket) => {
    socket.on('error', () => socket.destroy())
    socket.once('data', (head: Buffer) => {
      const key = /sec-websocket-key: *(\S+)/i.exec(head.toString('latin1'))?.[1] ?? ''
      const accept = createHash('sha1').update(`${key}${ACCEPT_SUFFIX}`).digest('base64')
      socket.write(
        `HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nconnection: upgrade\r\nsec-websocket-accept: ${accept}\r\n\r\n`,
      )
      socket.on('data', (chunk: Buffer) => socket.write(chunk))
    })
  })
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
}

function call(port: number, seconds: number, connections: number): void {
  let frames = 0
  for (let at = 0; at < connections; at++) {
    const socket = net.connect({ port, host: '127.0.0.1', noDelay: true })
    let got = 0
    socket.write(
      `GET /chat HTTP/1.1\r\nhost: ${BENCH_HOST}\r\nconnection: Upgrade\r\nupgrade: websocket\r\nsec-websocket-version: 13\r\nsec-websocket-key: ${KEY}\r\n\r\n`,
    )
    socket.on('error', (error) => fail(error.message))
    socket.on('close', () => fail('a connection was closed'))
    socket.once('data', (head: Buffer) => {
      if (!head.toString('latin1').startsWith('HTTP/1.1 101')) fail(`no handshake: ${head.toString('latin1', 0, 40)}`)
      socket.write(FRAME)
      socket.on('data', (chunk: Buffer) => {
        got += chunk.length
        if (got < FRAME.length) return
        if (got > FRAME.length || chunk[chunk.length - 1] !== FRAME[FRAME.length - 1]) fail('other octets came back')
        got = 0
        frames++
        socket.write(FRAME)
      })
    })
  }
  setTimeout(() => {
    process.stdout.write(`${JSON.stringify({ units: frames })}\n`, () => process.exit(0))
  }, seconds * 1000)
}

function fail(reason: string): void {
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

const [role, ...numbers] = process.argv.slice(2)
const [port = 0, seconds = 0, connections = 0] = numbers.map(Number)
if (role === 'server') serve()
else call(port, seconds, connections)
