// TCP through the proxy: octets, half-close, policies, servers that speak first.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../src/base/fake-clock.ts'
import type { FilterChain, TcpProxy } from '../../src/proxy/config/proxy-config.ts'
import { chain, cluster, listener, NO_MUTATIONS, proxyConfig } from './configs.ts'
import { closedPort, connect, startProxy, startUpstream } from './peers.ts'

const toUp: TcpProxy = {
  kind: 'tcp-proxy',
  statPrefix: 'tcp',
  clusters: [{ name: 'up', weight: 1, requestHeaders: NO_MUTATIONS, responseHeaders: NO_MUTATIONS }],
  idleTimeoutMs: undefined,
  accessLogs: [],
}

function tcpConfig(port: number, overrides: Partial<FilterChain> = {}) {
  return proxyConfig([listener([chain(toUp, overrides)])], [cluster('up', [port])])
}

test('a server that speaks first is heard, and each side may end on its own', async (t) => {
  const upstream = await startUpstream(t, (peer) => peer.send('220 ready\r\n'))
  const proxy = await startProxy(t, tcpConfig(upstream.port))
  const client = await connect(t, proxy.port)
  await client.until('220 ready')
  client.send('HELO')
  const peer = await upstream.accept()
  await peer.until('HELO')
  client.socket.end()
  await peer.untilEnd()
  peer.socket.end('bye')
  assert.equal(await client.untilEnd(), '220 ready\r\nbye')
  await proxy.recorded(1)
  assert.equal(proxy.tcp[0]?.bytesReceived, 4)
  assert.equal(proxy.tcp[0]?.bytesSent, 14)
  assert.equal(proxy.tcp[0]?.flags, '')
})

for (const [what, said] of [
  ['nothing', ''],
  ['a word', 'x'],
  ['more than is held', 'y'.repeat(1024 * 1024)],
] as const) {
  test(`a client that says ${what} and ends before the upstream is connected is passed on whole`, async (t) => {
    const upstream = await startUpstream(t)
    const proxy = await startProxy(t, tcpConfig(upstream.port))
    const client = await connect(t, proxy.port)
    client.socket.end(said)
    const peer = await upstream.accept()
    assert.equal(await peer.untilEnd(), said)
    peer.socket.end('bye')
    assert.equal(await client.untilEnd(), 'bye')
    await proxy.recorded(1)
    assert.deepEqual([proxy.tcp[0]?.bytesReceived, proxy.tcp[0]?.bytesSent], [said.length, 3])
  })
}

test('a reset of one side reaches the other as an end, and is counted once', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, tcpConfig(upstream.port))
  const client = await connect(t, proxy.port)
  client.send('x')
  const peer = await upstream.accept()
  await peer.until('x')
  peer.socket.resetAndDestroy()
  await client.untilEnd()
  await proxy.recorded(1)
  assert.equal(proxy.tcp.length, 1)
  assert.equal(proxy.plane.activeConnections, 0)
})

test('nobody listens: the client is closed and UF recorded', async (t) => {
  const proxy = await startProxy(t, tcpConfig(await closedPort()))
  const client = await connect(t, proxy.port)
  assert.equal(await client.untilEnd(), '')
  await proxy.recorded(1)
  assert.equal(proxy.tcp[0]?.flags, 'UF')
})

test('a network policy that denies closes before the upstream hears of it', async (t) => {
  const upstream = await startUpstream(t)
  const rules = {
    kind: 'rules',
    action: 'deny',
    shadow: false,
    policies: [{ name: 'all', permissions: [{ kind: 'any' }], principals: [{ kind: 'any' }] }],
  } as const
  const proxy = await startProxy(t, tcpConfig(upstream.port, { networkRules: [rules] }))
  const client = await connect(t, proxy.port)
  assert.equal(await client.untilEnd(), '')
  await proxy.recorded(1)
  assert.equal(proxy.tcp[0]?.details, 'rbac_access_denied')
  assert.equal(upstream.connections.length, 0)
})

test('sixteen megabytes cross whole', async (t) => {
  const size = 16 * 1024 * 1024
  const upstream = await startUpstream(t, (peer) => peer.socket.write(Buffer.alloc(size, 'x')))
  const proxy = await startProxy(t, tcpConfig(upstream.port))
  const client = await connect(t, proxy.port)
  let received = 0
  client.socket.removeAllListeners('data')
  await new Promise<void>((resolve) => {
    client.socket.on('data', (data) => {
      received += data.length
      if (received === size) resolve()
    })
  })
  assert.equal(received, size)
})

test('a connection outlives its listener by the drain time and no longer', async (t) => {
  const clock = new FakeClock()
  const upstream = await startUpstream(t, (peer) => peer.send('hello'))
  const proxy = await startProxy(t, tcpConfig(upstream.port), { clock })
  const client = await connect(t, proxy.port)
  await client.until('hello')
  await proxy.plane.apply(proxyConfig([], []))
  clock.advance(44_000)
  upstream.connections[0]?.send(' again')
  await client.until('again')
  clock.advance(2000)
  await client.untilEnd()
  await proxy.recorded(1)
})
