// HTTP/2 under stress, both sides: slow readers, limits that change, connections that go away with requests on them, peers that flood.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { frame, goawayCode, PREFACE } from '../harness/http2-frames.ts'
import { retries, simpleConfig } from './configs.ts'
import { answerOf, ask, connectHttp2, startHttp2Upstream } from './http2-peers.ts'
import { always, connect, OK, RawPeer, startProxy, startUpstream } from './peers.ts'

const HTTP2 = { upstreamProtocol: 'http2' as const }
const MIB = 1024 * 1024

/** GET http://h/ by the static table, with a literal authority. */
const GET_BLOCK = Buffer.concat([Buffer.from([0x82, 0x86, 0x84, 0x41, 0x01]), Buffer.from('h')])

async function connectRaw(t: TestContext, port: number): Promise<RawPeer> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  t.after(() => socket.destroy())
  await once(socket, 'connect')
  return new RawPeer(socket)
}

test('a client that reads slowly holds the upstream back: what the proxy keeps is bounded', async (t) => {
  let written = 0
  const upstream = await startUpstream(t, (peer) => {
    void peer.until('\r\n\r\n').then((head) => {
      if (head.startsWith('POST')) return peer.send(OK)
      peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${64 * MIB}\r\n\r\n`)
      const piece = Buffer.alloc(64 * 1024)
      const pump = (): void => {
        while (written < 64 * MIB) {
          written += piece.length
          if (!peer.socket.write(piece)) return
        }
      }
      peer.socket.on('drain', pump)
      pump()
    })
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connectHttp2(t, proxy.port)
  client.setLocalWindowSize(MIB)
  const stream = client.request({ ':path': '/' })
  stream.pause()
  await once(stream, 'response')
  // A second request on the same connection is answered meanwhile: only the one stream waits.
  const before = written
  assert.equal((await ask(client, { ':method': 'POST' }, '')).status, 200)
  assert.ok(before < 24 * MIB, `${before} bytes left the upstream for a client that reads nothing`)
  stream.close(http2.constants.NGHTTP2_CANCEL)
})

async function roundTrips(client: http2.ClientHttp2Session, count: number): Promise<void> {
  for (let trip = 0; trip < count; trip++) await new Promise<void>((resolve) => client.ping(() => resolve()))
}

test('an upstream that reads slowly holds the client back', async (t) => {
  const upstream = await startUpstream(t, (peer) => peer.socket.pause())
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connectHttp2(t, proxy.port)
  const stream = client.request({ ':method': 'POST', ':path': '/' })
  stream.on('error', () => undefined)
  let accepted = 0
  const piece = Buffer.alloc(64 * 1024)
  // Goes on as long as the proxy gives credit. Credit for what it has taken is on its way before the answer to a PING that came behind it.
  for (let taken = true; taken && accepted < 64 * MIB; ) {
    const written = new Promise<boolean>((resolve) => stream.write(piece, () => resolve(true)))
    taken = await Promise.race([written, roundTrips(client, 10).then(() => false)])
    if (taken) accepted += piece.length
  }
  assert.ok(accepted >= MIB / 4, `only ${accepted} bytes were taken`)
  assert.ok(accepted < 24 * MIB, `${accepted} bytes were taken for an upstream that reads nothing`)
})

test('a hundred streams without any window cost little memory, and are answered when it opens', async (t) => {
  const body = Buffer.alloc(MIB)
  const answer = (stream: http2.ServerHttp2Stream): void => {
    stream.respond({ ':status': 200 })
    stream.end(body)
  }
  // Node's server ends streams of its own that hold more than 10 MB.
  const upstream = await startHttp2Upstream(t, answer, { maxSessionMemory: 1000 })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { cluster: HTTP2 }))
  const client = await connectHttp2(t, proxy.port, { settings: { initialWindowSize: 0 } })
  const streams = Array.from({ length: 100 }, () => client.request({ ':path': '/' }))
  const answers = streams.map((stream) => answerOf(stream))
  const before = process.memoryUsage().arrayBuffers
  await Promise.all(streams.map((stream) => once(stream, 'response')))
  const held = process.memoryUsage().arrayBuffers - before
  // Both windows towards the upstream, and what the server in this process holds itself.
  assert.ok(held < 16 * MIB + 2 * body.length, `${held} bytes are held`)
  client.settings({ initialWindowSize: 65_535 })
  for (const answer of await Promise.all(answers)) assert.equal(answer.body.length, MIB)
})

test('a stream limit lowered in mid-connection is kept, and who waits is served in turn', async (t) => {
  let active = 0
  let most = 0
  const upstream = await startHttp2Upstream(
    t,
    (stream) => {
      most = Math.max(most, ++active)
      setImmediate(() => {
        active--
        stream.respond({ ':status': 200 }, { endStream: true })
      })
    },
    { settings: { maxConcurrentStreams: 100 } },
  )
  const limits = { maxConnections: 1, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 3 }
  const proxy = await startProxy(t, simpleConfig([upstream.port], { cluster: { ...HTTP2, circuitBreaker: limits } }))
  const client = await connectHttp2(t, proxy.port)
  assert.equal((await ask(client, {})).status, 200)
  const [session] = upstream.sessions
  session?.settings({ maxConcurrentStreams: 2 })
  if (session !== undefined) await once(session, 'localSettings')
  most = 0
  const answers = await Promise.all(Array.from({ length: 30 }, () => ask(client, {})))
  assert.ok(answers.every(({ status }) => status === 200))
  assert.ok(most <= 2, `${most} at once`)
  assert.equal(upstream.sessions.length, 1)
})

test('GOAWAY with requests on their way: those above its number are sent again elsewhere, the others are answered', async (t) => {
  let seen = 0
  const upstream = await startHttp2Upstream(t, (stream) => {
    seen++
    const { session } = stream
    if (seen === 3) session?.goaway(0, stream.id)
    setImmediate(() => {
      if (!stream.destroyed) stream.respond({ ':status': 200 }, { endStream: true })
    })
  })
  const circuitBreaker = { maxConnections: 1024, maxPendingRequests: 1024, maxRequests: 1024, maxRetries: 1024 }
  const proxy = await startProxy(t, simpleConfig([upstream.port], { cluster: { ...HTTP2, circuitBreaker }, action: { retry: retries() } }))
  const client = await connectHttp2(t, proxy.port)
  const answers = await Promise.all(Array.from({ length: 20 }, () => ask(client, { ':method': 'POST' }, 'x')))
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([200]))
  assert.ok(upstream.sessions.length >= 2, 'another connection was made')
})

test('a refused stream is sent again, a reset one is not', async (t) => {
  const seen = new Map<string, number>()
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    const path = String(headers[':path'])
    const count = (seen.get(path) ?? 0) + 1
    seen.set(path, count)
    if (count > 1) stream.respond({ ':status': 200 }, { endStream: true })
    else stream.close(path === '/refused' ? http2.constants.NGHTTP2_REFUSED_STREAM : http2.constants.NGHTTP2_INTERNAL_ERROR)
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { cluster: HTTP2, action: { retry: retries() } }))
  const client = await connectHttp2(t, proxy.port)
  assert.equal((await ask(client, { ':method': 'POST', ':path': '/refused' }, 'x')).status, 200)
  const reset = await ask(client, { ':method': 'POST', ':path': '/reset' }, 'x')
  assert.equal(reset.status, 503)
  assert.equal(proxy.http.at(-1)?.flags, 'UR')
  assert.deepEqual([...seen.values()], [2, 1])
})

test('an answer whose stream the upstream resets is reset for the client, and told with what it got', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => {
    stream.respond({ ':status': 200 })
    stream.write('part', () => stream.destroy(new Error('in the middle')))
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { cluster: HTTP2 }))
  const client = await connectHttp2(t, proxy.port)
  await assert.rejects(ask(client, {}))
  assert.equal(proxy.http[0]?.flags, 'UR')
  assert.equal(proxy.http[0]?.details, 'upstream_reset_after_response_started{remote_reset}')
  assert.equal(proxy.http[0]?.bytesSent, 4)
})

test('an upstream connection that breaks answers each of its requests with 503 UC', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => {
    // Not the session's destroy(): that says goodbye to some of its streams first.
    if ((stream.id ?? 0) >= 5) for (const socket of upstream.sockets) socket.destroy()
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { cluster: HTTP2 }))
  const client = await connectHttp2(t, proxy.port)
  const answers = await Promise.all([1, 2, 3].map(() => ask(client, { ':method': 'POST' }, 'x')))
  assert.deepEqual(
    answers.map(({ status }) => status),
    [503, 503, 503],
  )
  assert.ok(proxy.http.every(({ flags }) => flags === 'UC'))
})

test('a preface cut in pieces is understood, and HTTP/1.1 that begins like it too', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const peer = await connectRaw(t, proxy.port)
  peer.socket.setNoDelay(true)
  for (const octet of PREFACE.subarray(0, 24)) {
    peer.socket.write(Buffer.from([octet]))
    await new Promise((resolve) => setImmediate(resolve))
  }
  peer.socket.write(Buffer.concat([frame(4, 0, 0), frame(1, 5, 1, GET_BLOCK)]))
  await peer.until('ok')
  const old = await connect(t, proxy.port)
  old.send('P')
  old.send('OST / HTTP/1.1\r\nHost: h\r\nContent-Length: 0\r\n\r\n')
  await old.until('200 OK')
})

test('draining: streams under way are answered, new ones refused by GOAWAY, then the connection ends', async (t) => {
  const held: http2.ServerHttp2Stream[] = []
  const upstream = await startHttp2Upstream(t, (stream) => held.push(stream))
  const proxy = await startProxy(t, simpleConfig([upstream.port], { cluster: HTTP2 }))
  const client = await connectHttp2(t, proxy.port)
  const last: number[] = []
  client.on('goaway', (_code, lastStreamId) => last.push(lastStreamId))
  const answer = ask(client, {})
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve))
  const drained = proxy.plane.drain(10_000)
  while (last.length < 2) await once(client, 'goaway')
  held[0]?.respond({ ':status': 200 }, { endStream: true })
  assert.equal((await answer).status, 200)
  if (!client.destroyed) await once(client, 'close')
  await drained
  assert.deepEqual(last, [2 ** 31 - 1, 1])
})

for (const [what, attack, code] of [
  ['PING that is never read', () => Buffer.concat(Array.from({ length: 20_000 }, () => frame(6, 0, 0, Buffer.alloc(8)))), 11],
  ['SETTINGS', () => Buffer.concat(Array.from({ length: 20_000 }, () => frame(4, 0, 0))), 11],
  ['PRIORITY', () => Buffer.concat(Array.from({ length: 300 }, () => frame(2, 0, 1, Buffer.from([0, 0, 0, 3, 0])))), 11],
  ['WINDOW_UPDATE', () => Buffer.concat(Array.from({ length: 300 }, () => frame(8, 0, 0, Buffer.from([0, 0, 0, 1])))), 11],
  [
    'CONTINUATION without end',
    () => Buffer.concat([frame(1, 1, 1, GET_BLOCK), ...Array.from({ length: 100 }, () => frame(9, 0, 1, Buffer.from([0x84])))]),
    11,
  ],
  [
    'empty DATA',
    () =>
      Buffer.concat([
        frame(1, 4, 1, Buffer.concat([Buffer.from([0x83]), GET_BLOCK.subarray(1)])),
        ...Array.from({ length: 5 }, () => frame(0, 0, 1)),
      ]),
    11,
  ],
  [
    'streams opened and reset at once',
    () =>
      Buffer.concat(
        Array.from({ length: 1000 }, (_, n) =>
          Buffer.concat([frame(1, 5, 2 * n + 1, GET_BLOCK), frame(3, 0, 2 * n + 1, Buffer.from([0, 0, 0, 8]))]),
        ),
      ),
    11,
  ],
] as const) {
  test(`a flood of ${what} ends the connection, is recorded, and no other suffers`, async (t) => {
    const upstream = await startUpstream(t, always(OK))
    const proxy = await startProxy(t, simpleConfig([upstream.port]))
    const peer = await connectRaw(t, proxy.port)
    peer.socket.write(Buffer.concat([PREFACE, attack()]))
    const text = await peer.untilEnd()
    assert.equal(goawayCode(Buffer.from(text, 'latin1')), code)
    await proxy.recorded(1)
    const broken = proxy.http.find(({ details }) => details.startsWith('http2.'))
    assert.equal(broken?.flags.split(',').includes('DPE') || broken?.flags === 'DR', true)
    const client = await connectHttp2(t, proxy.port)
    assert.equal((await ask(client, {})).status, 200)
  })
}

test('an HPACK bomb costs its stream alone', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const peer = await connectRaw(t, proxy.port)
  // One entry of 4,000 octets, then a thousand references to it: 4 MB out of 5 kB.
  const entry = Buffer.concat([Buffer.from([0x40, 1]), Buffer.from('x'), Buffer.from([0x7f, 0xa1, 0x1e]), Buffer.alloc(4000, 'v')])
  const bomb = Buffer.concat([GET_BLOCK, entry, Buffer.alloc(1000, 0xbe)])
  peer.socket.write(Buffer.concat([PREFACE, frame(1, 5, 1, bomb), frame(1, 5, 3, GET_BLOCK)]))
  const text = await peer.until('ok')
  assert.ok(text.includes(frame(3, 0, 1, Buffer.from([0, 0, 0, 11])).toString('latin1')), 'stream 1 is reset')
})
