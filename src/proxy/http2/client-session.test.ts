// Our client against Node's own HTTP/2 server (nghttp2): another implementation of every rule.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type Http2Server, type ServerHttp2Stream } from 'node:http2'
import { type AddressInfo, connect, createServer as createTcpServer, type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { FakeClock } from '../../base/fake-clock.ts'
import { ClientSession, DEFAULT_SESSION, type StreamEnd } from './client-session.ts'

interface Answer {
  readonly head: readonly string[]
  readonly body: Buffer
  readonly trailers: readonly string[]
  readonly end: StreamEnd
}

async function startServer(
  t: TestContext,
  onStream: (stream: ServerHttp2Stream, headers: Record<string, unknown>) => void,
): Promise<number> {
  const server: Http2Server = createServer({ settings: { maxHeaderListSize: 200_000 } })
  const sockets = new Set<Socket>()
  server.on('connection', (socket: Socket) => sockets.add(socket))
  server.on('stream', (stream, headers) => {
    stream.on('error', () => undefined)
    onStream(stream, headers)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  return (server.address() as AddressInfo).port // a TCP server's address is an object
}

async function openSession(t: TestContext, port: number): Promise<{ session: ClientSession; socket: Socket; closed: Promise<string> }> {
  const socket = connect(port, '127.0.0.1')
  await once(socket, 'connect')
  const { promise, resolve } = Promise.withResolvers<string>()
  const session = new ClientSession(socket, { clock: systemClock, ...DEFAULT_SESSION }, resolve)
  t.after(() => session.close())
  return { session, socket, closed: promise }
}

function post(session: ClientSession, fields: readonly string[], body: Uint8Array): Promise<Answer> {
  return new Promise((resolve, reject) => {
    let head: readonly string[] = []
    let trailers: readonly string[] = []
    const chunks: Buffer[] = []
    const id = session.open([':method', 'POST', ':scheme', 'http', ':path', '/echo', ':authority', 'test', ...fields], body.length === 0, {
      headers: (received, kind) => {
        if (kind === 'head') head = received
        if (kind === 'trailers') trailers = received
      },
      data: (bytes) => void chunks.push(Buffer.from(bytes)),
      closed: (end) => resolve({ head, trailers, body: Buffer.concat(chunks), end }),
    })
    if (id === undefined) reject(new Error('no stream'))
    else if (body.length > 0) session.send(id, body, true)
  })
}

function echo(stream: ServerHttp2Stream, headers: Record<string, unknown>): void {
  stream.respond({ ':status': 200, 'x-echo': String(headers['x-send'] ?? '') }, { waitForTrailers: true })
  stream.on('wantTrailers', () => stream.sendTrailers({ 'x-sum': 'done' }))
  stream.pipe(stream)
}

test('a body of four megabytes goes to nghttp2 and comes back whole', async (t) => {
  const { session } = await openSession(t, await startServer(t, echo))
  const body = Buffer.from(Array.from({ length: 4_000_000 }, (_, index) => (index * 31) % 251))
  const answer = await post(session, ['x-send', 'hello'], body)
  assert.ok(answer.body.equals(body))
  assert.deepEqual(answer.trailers, ['x-sum', 'done'])
  assert.deepEqual(answer.end, { kind: 'complete' })
  assert.equal(answer.head[answer.head.indexOf('x-echo') + 1], 'hello')
})

test('header compression agrees with nghttp2 over many requests', async (t) => {
  const { session } = await openSession(t, await startServer(t, echo))
  for (let round = 0; round < 150; round++) {
    const value = `value ${round % 40}${' abc;=~{}'.repeat(round % 23)}`
    const answer = await post(session, ['x-send', value, `x-name-${round % 70}`, value], Buffer.from('x'))
    assert.equal(answer.head[answer.head.indexOf('x-echo') + 1], value)
  }
})

test('a hundred streams at once are answered each with its own body', async (t) => {
  const { session } = await openSession(t, await startServer(t, echo))
  await post(session, [], Buffer.from('first: the settings have arrived'))
  const bodies = Array.from({ length: 100 }, (_, index) => Buffer.alloc(5000 + index, `${index},`))
  const answers = await Promise.all(bodies.map((body) => post(session, [], body)))
  for (const [index, answer] of answers.entries()) assert.ok(answer.body.equals(bodies[index] ?? Buffer.alloc(0)))
})

test('a block of headers above one frame passes both ways', async (t) => {
  const { session } = await openSession(t, await startServer(t, echo))
  const value = '^'.repeat(40_000)
  const answer = await post(session, ['x-send', value], Buffer.from('x'))
  assert.equal(answer.head[answer.head.indexOf('x-echo') + 1], value)
})

test('a stream that the server resets ends with its code, and the connection goes on', async (t) => {
  const port = await startServer(t, (stream, headers) => (headers['x-send'] === 'reset' ? stream.close(7) : echo(stream, headers)))
  const { session } = await openSession(t, port)
  const refused = await post(session, ['x-send', 'reset'], Buffer.alloc(0))
  assert.equal(refused.end.kind === 'reset' && refused.end.code, 7)
  assert.equal((await post(session, [], Buffer.from('still here'))).body.toString(), 'still here')
})

test('when the server goes away gracefully, what is under way completes and nothing new starts', async (t) => {
  const port = await startServer(t, (stream) => {
    stream.session?.close()
    stream.respond({ ':status': 200 })
    stream.end('last')
  })
  const { session, closed } = await openSession(t, port)
  const answer = await post(session, [], Buffer.alloc(0))
  assert.equal(answer.body.toString(), 'last')
  await closed
  assert.equal(session.usable, false)
})

test('when the socket breaks every stream hears of it', async (t) => {
  const port = await startServer(t, (stream) => stream.session?.socket.destroy())
  const { session } = await openSession(t, port)
  const answer = await post(session, [], Buffer.alloc(0))
  assert.equal(answer.end.kind, 'connection')
})

test('a peer that does not answer PING within ten seconds is given up', async (t) => {
  const server = createTcpServer((socket) => {
    socket.on('error', () => undefined)
    t.after(() => socket.destroy())
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1') // as above
  await once(socket, 'connect')
  const clock = new FakeClock()
  const reasons: string[] = []
  new ClientSession(socket, { clock, ...DEFAULT_SESSION }, (reason) => reasons.push(reason))
  clock.advance(39_000)
  assert.deepEqual(reasons, [])
  clock.advance(1000)
  assert.match(reasons[0] ?? '', /no sign of life/)
})
