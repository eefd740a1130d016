// WebSocket through the proxy, whichever of HTTP/1.1 and HTTP/2 (RFC 8441) each side speaks: frames both ways, ends, idle time, and what
// becomes of it when its listener is gone.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { test } from 'node:test'
import { FakeClock } from '../../src/base/fake-clock.ts'
import type { HttpConnectionManager } from '../../src/proxy/config/proxy-config.ts'
import { chain, cluster, forwardTo, listener, manager, proxyConfig, route, simpleConfig, virtualHost } from './configs.ts'
import { connectHttp2, startHttp2Upstream } from './http2-peers.ts'
import { connect, startProxy, startUpstream } from './peers.ts'
import { openHttp1, openHttp2, startEchoServer } from './websocket-peers.ts'

const HTTP2 = { maxConcurrentStreams: undefined, streamWindow: undefined, connectionWindow: undefined }
const ALLOWED: Partial<HttpConnectionManager> = { upgrades: new Set(['websocket']), http2: { ...HTTP2, allowConnect: true } }

for (const client of ['http1', 'http2'] as const) {
  for (const upstream of ['http1', 'http2'] as const) {
    test(`a WebSocket from ${client} to ${upstream} carries frames both ways and ends`, async (t) => {
      const server = await startEchoServer(t, upstream)
      const proxy = await startProxy(t, simpleConfig([server.port], { manager: ALLOWED, cluster: { upstreamProtocol: upstream } }))
      const socket = client === 'http1' ? await openHttp1(t, proxy.port) : await openHttp2(t, await connectHttp2(t, proxy.port))
      for (const text of ['one', 'two', 'three']) assert.equal(await socket.ask(text), `echo ${text}`)
      const [handshake = ''] = server.handshakes
      if (upstream === 'http2')
        assert.match(handshake, /":method":"CONNECT".*":protocol":"websocket"|":protocol":"websocket".*":method":"CONNECT"/)
      else assert.match(handshake, /^GET \/chat HTTP\/1\.1\r\n[\s\S]*sec-websocket-key: [A-Za-z0-9+/]{22}==\r\n/i)
      for (const stream of server.streams) stream.end()
      socket.end()
      await socket.closed
      await proxy.recorded(1)
      assert.equal(proxy.http[0]?.method, 'GET')
      assert.equal(proxy.http[0]?.status, 101)
      assert.ok((proxy.http[0]?.bytesSent ?? 0) > 20)
      assert.equal(proxy.plane.activeRequests, 0)
    })
  }
}

test('a megabyte crosses a WebSocket over HTTP/2 against a slow reader, whole', async (t) => {
  const sent = Buffer.alloc(2 ** 20, 'm')
  const upstream = await startUpstream(t, (peer) => {
    void peer.until('\r\n\r\n').then(() => {
      peer.send('HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n')
      peer.socket.end(sent)
    })
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { manager: ALLOWED }))
  const { stream, status } = await openHttp2(t, await connectHttp2(t, proxy.port, { settings: { initialWindowSize: 20_000 } }))
  assert.equal(status, 200)
  stream.removeAllListeners('data')
  const pieces: Buffer[] = []
  for await (const piece of stream) pieces.push(piece)
  assert.ok(Buffer.concat(pieces).equals(sent))
})

test('over HTTP/2 it is neither invited nor allowed where the manager does not say so', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port], { manager: { upgrades: new Set(['websocket']) } }))
  const session = await connectHttp2(t, proxy.port)
  const [settings] = await once(session, 'remoteSettings')
  assert.equal(settings.enableConnectProtocol, false)
  const client = await connect(t, proxy.port)
  client.send('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\n')
  assert.match(await client.untilEnd(), /^HTTP\/1\.1 (403|404) /)
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'db:5432' })
  const [headers] = await once(stream, 'response')
  assert.ok(headers[':status'] === 403 || headers[':status'] === 404)
  assert.equal(upstream.connections.length, 0)
})

test('an endpoint that takes no extended CONNECT is not asked, and the client hears so', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream) => stream.respond({ ':status': 200 }))
  const proxy = await startProxy(t, simpleConfig([upstream.port], { manager: ALLOWED, cluster: { upstreamProtocol: 'http2' } }))
  const client = await connect(t, proxy.port)
  client.send(
    'GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n',
  )
  assert.match(await client.until('RFC 8441'), /^HTTP\/1\.1 502 /)
})

for (const client of ['http1', 'http2'] as const) {
  test(`an idle WebSocket of ${client} ends after the idle timeout of streams`, async (t) => {
    const clock = new FakeClock()
    const server = await startEchoServer(t, 'http1')
    const manager = { ...ALLOWED, streamIdleTimeoutMs: 60_000 }
    const proxy = await startProxy(t, simpleConfig([server.port], { manager }), { clock })
    const socket = client === 'http1' ? await openHttp1(t, proxy.port) : await openHttp2(t, await connectHttp2(t, proxy.port))
    clock.advance(50_000)
    assert.equal(await socket.ask('still here'), 'echo still here')
    clock.advance(50_000)
    assert.equal(await socket.ask('and here'), 'echo and here')
    clock.advance(61_000)
    await socket.closed
    await proxy.recorded(1)
  })

  test(`a WebSocket of ${client} outlives its listener by the drain time and no longer`, async (t) => {
    const clock = new FakeClock()
    const server = await startEchoServer(t, 'http1')
    const proxy = await startProxy(t, simpleConfig([server.port], { manager: ALLOWED }), { clock })
    const socket = client === 'http1' ? await openHttp1(t, proxy.port) : await openHttp2(t, await connectHttp2(t, proxy.port))
    await proxy.plane.apply(proxyConfig([], []))
    clock.advance(44_000)
    assert.equal(await socket.ask('still here'), 'echo still here')
    clock.advance(2000)
    await socket.closed
    await proxy.recorded(1)
  })
}

test('CONNECT over HTTP/2, where it is allowed and a route takes it, opens a tunnel; early octets wait for it', async (t) => {
  const upstream = await startUpstream(t)
  const any = route('/', forwardTo('up'), {
    match: { path: { kind: 'connect' }, headers: [], queryParameters: [], fractionPerMillion: undefined },
  })
  const http = manager(virtualHost([any]), { upgrades: new Set(['connect']), http2: { ...HTTP2, allowConnect: true } })
  const proxy = await startProxy(t, proxyConfig([listener([chain(http)])], [cluster('up', [upstream.port])]))
  const session = await connectHttp2(t, proxy.port)
  const stream = session.request({ ':method': 'CONNECT', ':authority': 'db:5432' })
  stream.write('early')
  const peer = await upstream.accept()
  assert.match(await peer.until('\r\n\r\n'), /^CONNECT db:5432 HTTP\/1\.1\r\n/)
  assert.doesNotMatch(peer.text, /early/)
  peer.send('HTTP/1.1 200 OK\r\n\r\nwelcome')
  const [headers] = await once(stream, 'response')
  assert.equal(headers[':status'], 200)
  const [first] = await once(stream, 'data')
  assert.equal(String(first), 'welcome')
  await peer.until('early')
  stream.end('bye')
  assert.match(await peer.untilEnd(), /bye$/)
  peer.socket.end()
  await proxy.recorded(1)
  assert.equal(proxy.http[0]?.bytesReceived, 8)
})
