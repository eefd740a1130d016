// The gRPC server over real HTTP/2 connections: how calls end, and how connections do.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type ClientHttp2Session, type ClientHttp2Stream, connect, type IncomingHttpHeaders } from 'node:http2'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import { seededRandom } from '../../base/random.ts'
import { type GrpcCall, grpcStatus } from './grpc-call.ts'
import { startGrpcServer } from './grpc-server.ts'

const AGE_MS = 20_000

async function startServer(t: TestContext, onCall: (call: GrpcCall) => void, maxConnectionAgeMs?: number, random = seededRandom(7)) {
  const clock = new FakeClock()
  const server = await startGrpcServer({
    ...{ host: '127.0.0.1', port: 0, tls: undefined, clock, random },
    services: [{ streams: { '/test.Service/Stream': onCall } }],
    ...(maxConnectionAgeMs === undefined ? {} : { maxConnectionAgeMs }),
  })
  t.after(() => server.close())
  return {
    clock,
    port: server.port,
    async connect(): Promise<ClientHttp2Session> {
      const session = connect(`http://127.0.0.1:${server.port}`)
      session.on('error', () => undefined)
      t.after(() => session.destroy())
      await once(session, 'connect')
      // Connected, and known to the server: its timers start from there.
      await pinged(session)
      return session
    },
  }
}

function open(session: ClientHttp2Session, path = '/test.Service/Stream'): ClientHttp2Stream {
  const stream = session.request({ ':method': 'POST', ':path': path, 'content-type': 'application/grpc', te: 'trailers' })
  stream.on('error', () => undefined)
  return stream
}

/** How the call ends, as a gRPC client sees it. */
async function ending(
  stream: ClientHttp2Stream,
): Promise<{ readonly status: unknown; readonly message: unknown; readonly rstCode: number }> {
  let last: IncomingHttpHeaders = {}
  const take = (headers: IncomingHttpHeaders): void => {
    if (headers['grpc-status'] !== undefined) last = headers
  }
  stream.on('response', take)
  stream.on('trailers', take)
  stream.resume()
  stream.on('end', () => stream.end())
  await once(stream, 'close')
  return { status: last['grpc-status'], message: last['grpc-message'], rstCode: stream.rstCode ?? 0 }
}

const silent = (call: GrpcCall): void => call.listen({ message: () => undefined, ended: () => undefined, closed: () => undefined })

/** All that the server sent before has arrived. The answer to a ping overtakes what waits to be written, so the second one tells. */
async function pinged(session: ClientHttp2Session): Promise<void> {
  for (let round = 0; round < 2 && !session.closed; round++) await new Promise<void>((resolve) => session.ping(() => resolve()))
}

test('a method that does not exist is answered by name, with a status', async (t) => {
  const server = await startServer(t, silent)
  const { status, message, rstCode } = await ending(open(await server.connect(), '/test.Service/Nothing'))
  assert.deepEqual([status, rstCode], [String(grpcStatus.UNIMPLEMENTED), 0])
  assert.match(String(message), /no method \/test\.Service\/Nothing/)
})

test('a status carries its reason, whatever is in it', async (t) => {
  const server = await startServer(t, (call) => {
    silent(call)
    call.end(grpcStatus.PERMISSION_DENIED, '100 % für „alle“')
  })
  const { status, message } = await ending(open(await server.connect()))
  assert.equal(status, String(grpcStatus.PERMISSION_DENIED))
  assert.equal(decodeURIComponent(String(message)), '100 % für „alle“')
})

test('a call is answered with one status, the first', async (t) => {
  const server = await startServer(t, (call) => {
    silent(call)
    call.end(grpcStatus.UNAVAILABLE, 'first')
    call.end(grpcStatus.INTERNAL, 'second')
    call.write([Buffer.from('late')], () => assert.fail('nothing is sent after the status'))
  })
  const { status, message } = await ending(open(await server.connect()))
  assert.deepEqual([status, message], [String(grpcStatus.UNAVAILABLE), 'first'])
})

test('a request that is compressed, or longer than is read, ends the call and no other', async (t) => {
  const server = await startServer(t, silent)
  const session = await server.connect()
  const neighbour = open(session)
  for (const [head, wanted] of [
    [[1, 0, 0, 0, 1, 0], grpcStatus.UNIMPLEMENTED],
    [[0, 0xff, 0, 0, 0], grpcStatus.RESOURCE_EXHAUSTED],
  ] as const) {
    const stream = open(session)
    stream.write(Buffer.from(head))
    assert.equal((await ending(stream)).status, String(wanted))
  }
  assert.equal(neighbour.closed, false)
})

test('ages of connections are spread over a tenth more and less', async (t) => {
  const server = await startServer(t, silent, AGE_MS)
  const sessions = await Promise.all(Array.from({ length: 20 }, () => server.connect()))
  const toldAfter = async (byMs: number): Promise<number> => {
    server.clock.advance(byMs)
    await Promise.all(sessions.map(pinged))
    // A client that has been told, and has no call, closes its connection.
    return sessions.filter(({ closed }) => closed).length
  }

  assert.equal(await toldAfter(AGE_MS * 0.9 - 1), 0)
  const inTheMiddle = await toldAfter(AGE_MS * 0.1)
  assert.ok(inTheMiddle > 3 && inTheMiddle < 17, `${inTheMiddle} of 20 at the age that was asked for`)
  assert.equal(await toldAfter(AGE_MS * 0.1 + 1), 20)
})

test('a call that outlives the grace of an old connection ends with a status, not with a reset', async (t) => {
  const server = await startServer(t, silent, AGE_MS, () => 0.5)
  const session = await server.connect()
  const stream = open(session)
  const ended = ending(stream)
  await once(stream, 'response')
  const goaway = once(session, 'goaway')
  const closed = once(session, 'close')

  server.clock.advance(AGE_MS)
  await goaway
  assert.equal(stream.closed, false, 'told, and left in peace for the grace')
  server.clock.advance(10_000)

  const { status, message, rstCode } = await ended
  assert.deepEqual([status, rstCode], [String(grpcStatus.UNAVAILABLE), 0])
  assert.match(String(message), /connection is old/)
  await closed
})

test('a connection without an age limit is told nothing', async (t) => {
  const server = await startServer(t, silent)
  const session = await server.connect()
  session.on('goaway', () => assert.fail('nobody asked for that'))
  server.clock.advance(25_000)
  await pinged(session)
})

test('a peer that answers no ping is cut off', async (t) => {
  const server = await startServer(t, silent)
  const session = await server.connect()
  const stream = open(session)
  await once(stream, 'response')
  const closed = once(session, 'close')
  // The answer is on its way while time passes, so for the server it does not come.
  server.clock.advance(30_000)
  server.clock.advance(10_000)
  await closed
  assert.ok(stream.destroyed)
})

test('a peer that is too busy to answer a ping and goes on sending is kept, until it is silent', async (t) => {
  let heard: () => void = () => undefined
  const server = await startServer(t, (call) => call.listen({ message: () => heard(), ended: () => undefined, closed: () => undefined }))
  const peer = net.connect(server.port, '127.0.0.1')
  t.after(() => peer.destroy())
  // No HTTP/2 library leaves a ping unanswered: the preface, empty SETTINGS, and the head of a call (RFC 9113 3.4, 6.2; RFC 7541 6).
  const path = '/test.Service/Stream'
  const head = Buffer.concat([Buffer.from([0x83, 0x86, 0x01, 1, 0x78, 0x04, path.length]), Buffer.from(path)])
  peer.write(Buffer.concat([Buffer.from('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'), frame(4, 0, 0), frame(1, 4, 1, head)]))
  const say = async (): Promise<void> => {
    const arrived = new Promise<void>((resolve) => {
      heard = resolve
    })
    peer.write(frame(0, 0, 1, Buffer.from([0, 0, 0, 0, 0])))
    await arrived
  }
  await say()
  server.clock.advance(30_000)
  await say()
  server.clock.advance(10_000)
  await say()
  const closed = once(peer, 'close')
  peer.resume()
  server.clock.advance(10_000)
  server.clock.advance(10_000)
  await closed
})

function frame(type: number, flags: number, stream: number, payload = Buffer.alloc(0)): Buffer {
  const header = Buffer.alloc(9)
  header.writeUIntBE(payload.length, 0, 3)
  header.writeUInt8(type, 3)
  header.writeUInt8(flags, 4)
  header.writeUInt32BE(stream, 5)
  return Buffer.concat([header, payload])
}
