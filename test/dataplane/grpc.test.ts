// gRPC of grpc-js through one proxy and through two with mutual TLS between: every kind of call, statuses, trailers, deadlines.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { TestCa } from '../harness/certificates.ts'
import {
  cluster,
  downstreamTls,
  forwardTo,
  INSPECTS_TLS,
  listener,
  manager,
  proxyConfig,
  route,
  simpleConfig,
  tlsChain,
  upstreamTls,
  virtualHost,
} from './configs.ts'
import { grpcClient, startGrpcServer, status, streaming, unary } from './grpc-peers.ts'
import { type ProxyUnderTest, startProxy } from './peers.ts'

const SERVER = 'spiffe://cluster.local/ns/default/sa/server'
const CLIENT = 'spiffe://cluster.local/ns/default/sa/client'
const HTTP2 = { upstreamProtocol: 'http2' as const }

const PATHS: Readonly<Record<string, (t: TestContext, port: number) => Promise<ProxyUnderTest[]>>> = {
  'one proxy': async (t, port) => [await startProxy(t, simpleConfig([port], { cluster: HTTP2 }))],
  'two proxies with mutual TLS': async (t, port) => {
    const ca = new TestCa()
    const http = manager(virtualHost([route('/', forwardTo('app'))]))
    const chain = tlsChain(http, downstreamTls(ca, SERVER, { alpn: ['istio-h2', 'h2', 'lateen/1', 'http/1.1'] }))
    const inbound = await startProxy(t, proxyConfig([listener([chain], { inspection: INSPECTS_TLS })], [cluster('app', [port], HTTP2)]))
    const tls = upstreamTls(ca, CLIENT, [SERVER], { alpn: ['istio-h2', 'h2', 'istio'] })
    return [await startProxy(t, simpleConfig([inbound.port], { cluster: { ...HTTP2, tls } })), inbound]
  },
}

for (const [name, build] of Object.entries(PATHS)) {
  test(`${name}: unary and all kinds of streaming`, async (t) => {
    const { port } = await startGrpcServer(t)
    const proxies = await build(t, port)
    const client = grpcClient(t, proxies[0]?.port ?? 0)
    const single = await unary(client, 'hello', { ask: 'x' })
    assert.deepEqual([single.code, single.messages, single.trailers.echoed], [0, ['hello'], 'x'])
    const collected = await streaming(client, 'clientStream', ['a', 'b', 'c'])
    assert.deepEqual([collected.code, collected.messages], [0, ['abc']])
    const repeated = await streaming(client, 'serverStream', ['n'])
    assert.deepEqual([repeated.code, repeated.messages.length, repeated.trailers.count], [0, 10, '10'])
    const echoed = await streaming(client, 'bidi', ['1', '2', '3', '4', '5'])
    assert.deepEqual([echoed.code, echoed.messages, echoed.trailers.count], [0, ['1', '2', '3', '4', '5'], '7'])
    for (const proxy of proxies) {
      assert.equal(proxy.http.length, 4)
      assert.ok(proxy.http.every(({ protocol, flags, status: code }) => protocol === 'HTTP/2' && flags === '' && code === 200))
      assert.equal(proxy.plane.clusterStatus()[0]?.totalConnections, 1, 'one connection carries all calls')
    }
  })

  test(`${name}: a status, its message and its trailers arrive as the server sent them`, async (t) => {
    const { port } = await startGrpcServer(t)
    const [outer] = await build(t, port)
    const client = grpcClient(t, outer?.port ?? 0)
    for (const code of [1, 2, 3, 5, 7, 8, 9, 11, 12, 13, 14, 16]) {
      const result = await unary(client, `fail ${code} déjà vu: 100%\n`)
      assert.deepEqual([result.code, result.details, result.trailers.why], [code, 'déjà vu: 100%\n', 'asked'])
    }
  })

  test(`${name}: a deadline of the client cancels the call everywhere`, async (t) => {
    const { port } = await startGrpcServer(t)
    const proxies = await build(t, port)
    const client = grpcClient(t, proxies[0]?.port ?? 0)
    const result = await unary(client, 'hang', { deadlineMs: 150 })
    assert.equal(result.code, status.DEADLINE_EXCEEDED)
    for (const proxy of proxies) {
      await proxy.recorded(1)
      assert.equal(proxy.http[0]?.flags, 'DR')
    }
  })

  test(`${name}: a message of 4 MiB and many calls at once`, async (t) => {
    const { port } = await startGrpcServer(t)
    const [outer] = await build(t, port)
    const client = grpcClient(t, outer?.port ?? 0)
    const large = 'x'.repeat(4 * 1024 * 1024 - 100)
    assert.equal((await unary(client, large)).messages[0]?.length, large.length)
    const results = await Promise.all(Array.from({ length: 200 }, (_, n) => unary(client, `call ${n}`)))
    for (const [n, result] of results.entries()) assert.deepEqual([result.code, result.messages[0]], [0, `call ${n}`])
  })
}

test('what the proxy answers itself is a gRPC status', async (t) => {
  const proxy = await startProxy(t, simpleConfig([], { cluster: HTTP2 }))
  const result = await unary(grpcClient(t, proxy.port), 'x')
  assert.equal(result.code, status.UNAVAILABLE)
  assert.match(result.details, /no healthy endpoint/)
})
