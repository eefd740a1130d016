// Both ends of bidirectional gRPC streams that carry small messages, as a program of its own: node grpc-stream-program.ts server, or
// ... client PORT SECONDS CONNECTIONS STREAMS. The server sends every octet back; the client keeps one message under way per stream and
// prints how many came back, as JSON. Built on the product's codec because node:http2 would cost more than the proxy that is measured.
import net, { type AddressInfo, type Socket } from 'node:net'
import { Http2Connection } from '../../src/proxy/http2/connection.ts'
import { SocketOutput } from '../../src/proxy/http2/socket-output.ts'
import { BENCH_HOST } from './bootstraps.ts'

/** gRPC's five octets (not compressed, a length of 100) and the message. */
const MESSAGE = Buffer.concat([Buffer.from([0, 0, 0, 0, 100]), Buffer.alloc(100, 'm')])
const REQUEST = [
  ...[':method', 'POST', ':scheme', 'http', ':path', '/bench.Echo/Chat', ':authority', BENCH_HOST],
  ...['content-type', 'application/grpc', 'te', 'trailers'],
]
const WINDOW = 1024 * 1024

type Events = Pick<ConstructorParameters<typeof Http2Connection>[1], 'headers' | 'data'>

function speak(socket: Socket, role: 'client' | 'server', events: (codec: Http2Connection) => Events): Http2Connection {
  const output = new SocketOutput(socket, () => codec)
  let handlers: Events | undefined
  const codec: Http2Connection = new Http2Connection(
    { role, streamWindow: WINDOW, connectionWindow: WINDOW, maxConcurrentStreams: 1000, maxHeaderListSize: 65_536 },
    {
      settings: () => undefined,
      headers: (...all) => handlers?.headers(...all),
      data: (...all) => handlers?.data(...all),
      reset: (_id, _code, reason) => stop(`a stream was reset: ${reason}`),
      drained: () => undefined,
      goaway: () => undefined,
      pong: () => undefined,
      failed: (_code, reason) => stop(`the connection failed: ${reason}`),
      output: () => output.schedule(),
    },
  )
  handlers = events(codec)
  socket.setNoDelay(true)
  socket.on('data', (chunk: Buffer) => codec.receive(chunk))
  socket.on('drain', () => output.onDrain())
  socket.on('error', () => socket.destroy())
  output.schedule()
  return codec
}

/** Silence after the end of a run is no failure: the proxy is being stopped. */
let done = false

function stop(reason: string): void {
  if (done) return
  process.stderr.write(`${reason}\n`)
  process.exit(1)
}

function serve(): void {
  done = true
  const server = net.createServer((socket) => {
    speak(socket, 'server', (codec) => ({
      headers: (id) => codec.respond(id, [':status', '200', 'content-type', 'application/grpc'], false),
      data: (id, bytes, end) => {
        codec.consumed(id, bytes.length)
        codec.data(id, bytes, false)
        if (end) codec.trailers(id, ['grpc-status', '0'])
      },
    }))
  })
  server.listen(0, '127.0.0.1', () => process.stdout.write(`${(server.address() as AddressInfo).port}\n`))
}

function call(port: number, seconds: number, connections: number, streams: number): void {
  const received = new Map<string, number>()
  let messages = 0
  for (let at = 0; at < connections; at++) {
    const socket = net.connect(port, '127.0.0.1')
    const codec = speak(socket, 'client', (own) => ({
      headers: () => undefined,
      data: (id, bytes) => {
        own.consumed(id, bytes.length)
        const key = `${at}/${id}`
        const whole = (received.get(key) ?? 0) + bytes.length
        received.set(key, whole % MESSAGE.length)
        messages += Math.floor(whole / MESSAGE.length)
        if (whole >= MESSAGE.length) own.data(id, MESSAGE, false)
      },
    }))
    for (let stream = 0; stream < streams; stream++) {
      const id = codec.open(REQUEST, false)
      if (id !== undefined) codec.data(id, MESSAGE, false)
    }
  }
  setTimeout(() => {
    done = true
    process.stdout.write(`${JSON.stringify({ units: messages })}\n`, () => process.exit(0))
  }, seconds * 1000)
}

const [role, ...numbers] = process.argv.slice(2)
const [port = 0, seconds = 0, connections = 0, streams = 0] = numbers.map(Number)
if (role === 'server') serve()
else call(port, seconds, connections, streams)
