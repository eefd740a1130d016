// Which protocol is spoken on each side: the listener's word, ALPN, the client's first octets; the cluster's word, ALPN, the client's choice.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http2 from 'node:http2'
import https from 'node:https'
import type { AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { TestCa } from '../harness/certificates.ts'
import {
  chain,
  cluster,
  downstreamTls,
  forwardTo,
  listener,
  manager,
  proxyConfig,
  route,
  simpleConfig,
  upstreamTls,
  virtualHost,
} from './configs.ts'
import { ask, connectHttp2, startHttp2Upstream } from './http2-peers.ts'
import { always, connect, GET, OK, startProxy, startUpstream } from './peers.ts'

const SERVER = 'spiffe://cluster.local/ns/default/sa/server'
const CLIENT = 'spiffe://cluster.local/ns/default/sa/client'

test('a listener of HTTP/1.1 alone refuses the preface, one of HTTP/2 alone everything else', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const old = await startProxy(t, simpleConfig([upstream.port], { manager: { codec: 'http1' } }))
  const toOld = await connect(t, old.port)
  toOld.send('PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n')
  assert.match(await toOld.untilEnd(), /^HTTP\/1\.1 400 /)
  const fresh = await startProxy(t, simpleConfig([upstream.port], { manager: { codec: 'http2' } }))
  const toFresh = await connect(t, fresh.port)
  toFresh.send(GET)
  assert.doesNotMatch(await toFresh.untilEnd(), /HTTP\/1\.1/)
})

test('on TLS the client chooses by ALPN', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const ca = new TestCa()
  const tls = downstreamTls(ca, SERVER, { alpn: ['h2', 'http/1.1'], requiresClientCertificate: false })
  const http = manager(virtualHost([route('/', forwardTo('app'))]))
  const proxy = await startProxy(t, proxyConfig([listener([chain(http, { tls })])], [cluster('app', [upstream.port])]))
  const client = await connectHttp2(t, proxy.port, { tls: { rejectUnauthorized: false } })
  assert.equal((await ask(client, {})).status, 200)
  assert.equal(proxy.http[0]?.protocol, 'HTTP/2')
})

/** A TLS server that offers HTTP/2 beside HTTP/1.1, or not, and notes in which version requests came. */
async function startTlsServer(t: TestContext, ca: TestCa, http2Too: boolean): Promise<{ port: number; seen: string[] }> {
  const { chainPem, keyPem } = ca.issue(SERVER)
  const seen: string[] = []
  const answer = (request: { readonly httpVersion: string }, response: { end(text: string): void }): void => {
    seen.push(request.httpVersion)
    response.end('ok')
  }
  const server = http2Too
    ? http2.createSecureServer({ cert: chainPem, key: keyPem, allowHTTP1: true }, answer)
    : https.createServer({ cert: chainPem, key: keyPem }, answer)
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  return { port: (server.address() as AddressInfo).port, seen }
}

test('auto: HTTP/2 where the endpoint takes it by ALPN, HTTP/1.1 where it does not', async (t) => {
  const ca = new TestCa()
  for (const [http2Too, version] of [
    [true, '2.0'],
    [false, '1.1'],
  ] as const) {
    const server = await startTlsServer(t, ca, http2Too)
    const tls = upstreamTls(ca, CLIENT, [SERVER])
    const proxy = await startProxy(t, simpleConfig([server.port], { cluster: { upstreamProtocol: 'auto', tls } }))
    const client = await connect(t, proxy.port)
    for (let round = 0; round < 2; round++) {
      client.take()
      client.send(GET)
      await client.until('ok')
    }
    assert.deepEqual(server.seen, [version, version])
    assert.equal(proxy.plane.clusterStatus()[0]?.totalConnections, 1)
    proxy.plane.close()
  }
})

test('downstream: each client goes on in its own protocol', async (t) => {
  const ca = new TestCa()
  const server = await startTlsServer(t, ca, true)
  const tls = upstreamTls(ca, CLIENT, [SERVER])
  const proxy = await startProxy(t, simpleConfig([server.port], { cluster: { upstreamProtocol: 'downstream', tls } }))
  const old = await connect(t, proxy.port)
  old.send(GET)
  await old.until('ok')
  assert.equal((await ask(await connectHttp2(t, proxy.port), {})).status, 200)
  assert.deepEqual(server.seen, ['1.1', '2.0'])
  proxy.plane.close()
})

test('an endpoint taken away finishes its streams, and max_requests_per_connection makes another connection', async (t) => {
  const held: http2.ServerHttp2Stream[] = []
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    if (headers[':path'] === '/held') held.push(stream)
    else stream.respond({ ':status': 200 }, { endStream: true })
  })
  const overrides = { upstreamProtocol: 'http2' as const, maxRequestsPerConnection: 2 }
  const config = simpleConfig([upstream.port], { cluster: overrides })
  const proxy = await startProxy(t, config)
  const client = await connectHttp2(t, proxy.port)
  for (let round = 0; round < 5; round++) assert.equal((await ask(client, {})).status, 200)
  assert.equal(proxy.plane.clusterStatus()[0]?.totalConnections, 3)
  const answer = ask(client, { ':path': '/held' })
  while (held.length === 0) await new Promise((resolve) => setImmediate(resolve))
  await proxy.plane.apply({ ...config, clusters: new Map([['up', cluster('up', [], overrides)]]) })
  held[0]?.respond({ ':status': 200 }, { endStream: true })
  assert.equal((await answer).status, 200)
  assert.equal((await ask(client, {})).status, 503)
})

test('a connection older than it may be is drained', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port], { manager: { maxConnectionDurationMs: 100 } }))
  const client = await connectHttp2(t, proxy.port)
  assert.equal((await ask(client, {})).status, 200)
  if (!client.closed) await once(client, 'close')
})
