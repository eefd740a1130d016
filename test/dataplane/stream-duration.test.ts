// The longest that a request may take in all: what a gRPC client asks for, what the route allows. And options of HTTP/2 that a client sees.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { FakeClock } from '../../src/base/fake-clock.ts'
import { forwardTo, simpleConfig } from './configs.ts'
import { connectHttp2, startHttp2Upstream } from './http2-peers.ts'
import { startProxy } from './peers.ts'

const GRPC = { ':method': 'POST', ':path': '/shop.Cart/Add', ':authority': 'shop', 'content-type': 'application/grpc', te: 'trailers' }

test("a gRPC call ends with DEADLINE_EXCEEDED after the client's own timeout, in a head alone", async (t) => {
  const clock = new FakeClock()
  let reached: () => void = () => undefined
  const arrived = new Promise<void>((resolve) => {
    reached = resolve
  })
  const upstream = await startHttp2Upstream(t, () => reached())
  const config = simpleConfig([upstream.port], {
    action: forwardTo('up', { grpcTimeoutMaxMs: 0 }),
    cluster: { upstreamProtocol: 'http2' },
  })
  const proxy = await startProxy(t, config, { clock })
  const session = await connectHttp2(t, proxy.port)
  const stream = session.request({ ...GRPC, 'grpc-timeout': '2S' })
  stream.end('message')
  await arrived
  clock.advance(1900)
  assert.equal(proxy.http.length, 0)
  const answered = once(stream, 'response')
  clock.advance(200)
  const [headers, flags] = await answered
  assert.equal(headers[':status'], 200)
  assert.equal(headers['grpc-status'], '4')
  assert.equal(flags & 1, 1, 'END_STREAM with the head')
  assert.equal(proxy.http[0]?.flags, 'DT')
  assert.equal(proxy.http[0]?.details, 'max_duration_timeout')
})

test('an answer that goes on beyond the limit of the route is reset', async (t) => {
  const clock = new FakeClock()
  const upstream = await startHttp2Upstream(t, (stream) => {
    stream.respond({ ':status': 200, 'content-type': 'application/grpc' })
    stream.write('first')
  })
  const config = simpleConfig([upstream.port], {
    action: forwardTo('up', { maxStreamDurationMs: 5000 }),
    cluster: { upstreamProtocol: 'http2' },
  })
  const proxy = await startProxy(t, config, { clock })
  const session = await connectHttp2(t, proxy.port)
  const stream = session.request({ ...GRPC, 'grpc-timeout': '1S' })
  const failed = new Promise<Error>((resolve) => stream.once('error', resolve))
  await once(stream, 'data')
  clock.advance(4000)
  assert.equal(proxy.http.length, 0, 'the route does not let the client choose')
  clock.advance(1100)
  assert.match(String(await failed), /NGHTTP2_INTERNAL_ERROR/)
  assert.equal(proxy.http[0]?.details, 'max_duration_timeout')
})

test('a table size that is configured is announced and used by both sides', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => {
    stream.respond({ ':status': 200, 'x-large': 'v'.repeat(5000) })
    stream.end()
  })
  const http2 = { maxConcurrentStreams: undefined, streamWindow: undefined, connectionWindow: undefined, headerTableSize: 8192 }
  const config = simpleConfig([upstream.port], { manager: { http2 }, cluster: { upstreamProtocol: 'http2', http2 } })
  const proxy = await startProxy(t, config)
  const session = await connectHttp2(t, proxy.port, { settings: { headerTableSize: 16_384 } })
  const [settings] = await once(session, 'remoteSettings')
  assert.equal(settings.headerTableSize, 8192)
  for (let call = 0; call < 5; call++) {
    const stream = session.request({ ':path': '/', ':authority': 'shop', 'x-large': 'w'.repeat(5000) })
    const [headers] = await once(stream, 'response')
    assert.equal(headers['x-large'], 'v'.repeat(5000))
  }
  const [upstreamSession] = upstream.sessions
  assert.equal(upstreamSession?.remoteSettings.headerTableSize, 8192)
})
