// Mutual TLS on both sides of the proxy: who is let in, who is believed, and what a renewal must not cut.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import type { AuthorizationRules } from '../../src/proxy/decide/authorize.ts'
import { TestCa } from '../harness/certificates.ts'
import {
  chain,
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
import { always, connect, GET, OK, RawPeer, requestsOf, startProxy, startUpstream } from './peers.ts'

const SERVER = 'spiffe://cluster.local/ns/default/sa/reviews'
const CLIENT = 'spiffe://cluster.local/ns/default/sa/productpage'

/** An inbound listener in STRICT mode in front of a plaintext application. */
async function startInbound(
  t: TestContext,
  ca: TestCa,
  options: { permissive?: boolean; rules?: AuthorizationRules[]; alpn?: string[] } = {},
) {
  const application = await startUpstream(t, always(OK))
  const http = manager(virtualHost([route('/', forwardTo('app'))]), {
    forwardClientCert: { mode: 'append-forward', subject: true, uri: true, dns: true },
    httpRules: options.rules ?? [],
  })
  const chains = [tlsChain(http, downstreamTls(ca, SERVER, { alpn: options.alpn ?? [] }))]
  if (options.permissive === true) chains.push(chain(http, { match: { ...chain(http).match, transportProtocol: 'raw_buffer' } }))
  const proxy = await startProxy(t, proxyConfig([listener(chains, { inspection: INSPECTS_TLS })], [cluster('app', [application.port])]))
  return { application, proxy }
}

async function connectTls(t: TestContext, port: number, options: tls.ConnectionOptions): Promise<RawPeer> {
  const socket = tls.connect({ port, host: '127.0.0.1', checkServerIdentity: () => undefined, ...options })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  return new RawPeer(socket)
}

function identity(ca: TestCa, id: string, validity: { notBeforeMs?: number; notAfterMs?: number } = {}): tls.ConnectionOptions {
  const { chainPem, keyPem } = ca.issue(id, validity)
  return { cert: chainPem, key: keyPem, ca: ca.rootPem }
}

test('a client of the mesh is let in and named to the application', async (t) => {
  const ca = new TestCa()
  const { application, proxy } = await startInbound(t, ca)
  const client = await connectTls(t, proxy.port, identity(ca, CLIENT))
  client.send('GET / HTTP/1.1\r\nHost: h\r\nx-forwarded-client-cert: URI=spiffe://forged\r\n\r\n')
  await client.until('\r\n\r\nok')
  const [request] = requestsOf(await application.accept())
  assert.match(
    request ?? '',
    new RegExp(`x-forwarded-client-cert: URI=spiffe://forged,By=${SERVER};Hash=[0-9a-f]{64};Subject="[^"]*";URI=${CLIENT}\r\n`),
  )
  assert.match(request ?? '', /x-forwarded-proto: https\r\n/)
  const { connection } = proxy.http[0] ?? {}
  assert.equal(connection?.peerPrincipal, CLIENT)
  assert.equal(connection?.localPrincipal, SERVER)
  assert.equal(connection?.mutualTls, true)
})

test('no certificate, a foreign root, an expired certificate are refused', async (t) => {
  const ca = new TestCa()
  const foreign = new TestCa('foreign')
  const { application, proxy } = await startInbound(t, ca)
  const cases: Readonly<Record<string, tls.ConnectionOptions>> = {
    'no certificate': { ca: ca.rootPem },
    'foreign root': { ...identity(foreign, CLIENT), ca: ca.rootPem },
    expired: identity(ca, CLIENT, { notBeforeMs: Date.now() - 3_600_000, notAfterMs: Date.now() - 1000 }),
  }
  for (const [name, options] of Object.entries(cases)) {
    const socket = tls.connect({ port: proxy.port, host: '127.0.0.1', checkServerIdentity: () => undefined, ...options })
    socket.on('error', () => undefined)
    socket.write(GET)
    let answer = ''
    socket.on('data', (chunk) => {
      answer += chunk
    })
    await new Promise((resolve) => socket.once('close', resolve))
    assert.equal(answer, '', name)
  }
  assert.equal(application.connections.length, 0)
  await proxy.recorded(3)
  assert.ok(proxy.tcp.every((outcome) => /TLS_error|handshake/.test(outcome.terminationDetails)))
})

test('STRICT: plaintext HTTP is told why, other plaintext is closed, both are recorded', async (t) => {
  const { application, proxy } = await startInbound(t, new TestCa())
  const http = await connect(t, proxy.port)
  http.send(GET)
  assert.match(await http.untilEnd(), /^HTTP\/1\.1 400 Bad Request\r\n[\s\S]*accepts only mutual TLS/)
  const other = await connect(t, proxy.port)
  other.send('\x00\x01\x02')
  assert.equal(await other.untilEnd(), '')
  await proxy.recorded(2)
  assert.equal(proxy.http[0]?.status, 400)
  assert.equal(proxy.tcp[0]?.flags, 'NR')
  assert.equal(application.connections.length, 0)
})

test('PERMISSIVE: both are served, and what a plaintext client says about certificates is stripped', async (t) => {
  const ca = new TestCa()
  const { application, proxy } = await startInbound(t, ca, { permissive: true })
  const plain = await connect(t, proxy.port)
  plain.send('GET / HTTP/1.1\r\nHost: h\r\nx-forwarded-client-cert: URI=spiffe://forged\r\nx-envoy-peer-metadata: AAAA\r\n\r\n')
  await plain.until('\r\n\r\nok')
  const secure = await connectTls(t, proxy.port, identity(ca, CLIENT))
  secure.send(GET)
  await secure.until('\r\n\r\nok')
  const [request] = requestsOf(await application.accept())
  assert.doesNotMatch(request ?? '', /forged|peer-metadata/)
  assert.equal(proxy.http[0]?.connection.mutualTls, false)
  assert.equal(proxy.http[0]?.connection.peer, undefined)
})

test('a hello that arrives octet by octet is understood', async (t) => {
  const ca = new TestCa()
  const { proxy } = await startInbound(t, ca)
  const relay = await startUpstream(t, (peer) => {
    const onward = net.connect({ port: proxy.port, host: '127.0.0.1', noDelay: true })
    t.after(() => onward.destroy())
    onward.pipe(peer.socket)
    let sending = Promise.resolve()
    peer.socket.on('data', (chunk) => {
      sending = sending.then(async () => {
        for (const octet of chunk) {
          onward.write(Buffer.from([octet]))
          await new Promise((resolve) => setImmediate(resolve))
        }
      })
    })
  })
  const client = await connectTls(t, relay.port, identity(ca, CLIENT))
  client.send(GET)
  await client.until('\r\n\r\nok')
})

test('a resumed session names the same peer', async (t) => {
  const ca = new TestCa()
  const { proxy } = await startInbound(t, ca)
  const credentials = identity(ca, CLIENT)
  const first = await connectTls(t, proxy.port, { ...credentials, maxVersion: 'TLSv1.3' })
  const ticket = once(first.socket, 'session')
  first.send(GET)
  await first.until('\r\n\r\nok')
  const [session] = await ticket
  const second = await connectTls(t, proxy.port, { ...credentials, session })
  assert.ok(second.socket instanceof tls.TLSSocket && second.socket.isSessionReused())
  second.send(GET)
  await second.until('\r\n\r\nok')
  assert.equal(proxy.http[1]?.connection.peerPrincipal, CLIENT)
})

test('policies judge the verified peer', async (t) => {
  const ca = new TestCa()
  const rules: AuthorizationRules = {
    kind: 'rules',
    action: 'allow',
    shadow: false,
    policies: [
      {
        name: 'only-productpage',
        permissions: [{ kind: 'any' }],
        principals: [{ kind: 'authenticated', matches: (name) => name === CLIENT }],
      },
    ],
  }
  const { proxy } = await startInbound(t, ca, { rules: [rules] })
  const allowed = await connectTls(t, proxy.port, identity(ca, CLIENT))
  allowed.send(GET)
  assert.match(await allowed.until('\r\n\r\n'), /200 OK/)
  const denied = await connectTls(t, proxy.port, identity(ca, 'spiffe://cluster.local/ns/default/sa/ratings'))
  denied.send(GET)
  assert.match(await denied.until('denied'), /^HTTP\/1\.1 403 Forbidden[\s\S]*RBAC: access denied$/)
})

/** A client-side proxy in front of a TLS server that a test makes. */
async function startOutbound(t: TestContext, ca: TestCa, server: tls.TlsOptions, peers: readonly string[] = [SERVER]) {
  const listening = tls.createServer({ ...server, requestCert: true, ca: ca.rootPem, rejectUnauthorized: true }, (socket) => {
    socket.on('error', () => undefined)
    seen.push(socket)
    always(OK)(new RawPeer(socket))
  })
  const seen: tls.TLSSocket[] = []
  listening.listen(0, '127.0.0.1')
  await once(listening, 'listening')
  t.after(() => {
    listening.close()
    for (const socket of seen) socket.destroy()
  })
  const address = listening.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const transport = { ...upstreamTls(ca, CLIENT, peers), certificate: { kind: 'secret', name: 'default' } as const }
  const proxy = await startProxy(t, simpleConfig([port], { cluster: { tls: transport, idleTimeoutMs: 60_000 } }))
  proxy.secrets.setKeyPair('default', ca.issue(CLIENT))
  return { proxy, seen }
}

test('the upstream must present the expected identity', async (t) => {
  const ca = new TestCa()
  const right = ca.issue(SERVER)
  const good = await startOutbound(t, ca, { cert: right.chainPem, key: right.keyPem })
  const client = await connect(t, good.proxy.port)
  client.send(GET)
  await client.until('\r\n\r\nok')
  assert.equal(good.proxy.http[0]?.upstreamPrincipal, SERVER)
  assert.equal(good.proxy.http[0]?.upstreamMutualTls, true)
  assert.equal(good.seen[0]?.servername, 'reviews.default.svc.cluster.local')

  const wrong = ca.issue('spiffe://cluster.local/ns/default/sa/ratings')
  const foreign = new TestCa('foreign').issue(SERVER)
  for (const pair of [wrong, foreign]) {
    const bad = await startOutbound(t, ca, { cert: pair.chainPem, key: pair.keyPem })
    const other = await connect(t, bad.proxy.port)
    other.send(GET)
    assert.match(await other.until('\r\n\r\n'), /^HTTP\/1\.1 503 /)
    assert.equal(bad.proxy.http[0]?.flags, 'UF')
    assert.match(bad.proxy.http[0]?.upstreamTransportFailure ?? '', /TLS_error/)
    assert.equal(bad.seen.flatMap((socket) => socket.bytesRead).filter((count) => count > 0).length, 0)
  }
})

test('a renewed client certificate: old connections go on, new ones present it; tickets resume before', async (t) => {
  const ca = new TestCa()
  const pair = ca.issue(SERVER)
  const { proxy, seen } = await startOutbound(t, ca, { cert: pair.chainPem, key: pair.keyPem })
  const client = await connect(t, proxy.port)
  client.send(GET)
  await client.until('\r\n\r\nok')
  const before = seen[0]?.getPeerCertificate().fingerprint256
  proxy.secrets.setKeyPair('default', ca.issue(CLIENT))
  client.take()
  client.send(GET)
  await client.until('\r\n\r\nok')
  assert.equal(seen.length, 1, 'the old connection serves on')
  seen[0]?.destroy()
  await once(seen[0] ?? new tls.TLSSocket(client.socket), 'close')
  client.take()
  client.send(GET)
  await client.until((text) => /\r\n\r\n/.test(text))
  if (seen.length === 1) {
    client.take()
    client.send(GET)
    await client.until('\r\n\r\nok')
  }
  assert.notEqual(seen[1]?.getPeerCertificate().fingerprint256, before)
  assert.equal(seen[1]?.isSessionReused(), false)
})

test('the second connection to an endpoint resumes the session', async (t) => {
  const ca = new TestCa()
  const pair = ca.issue(SERVER)
  const { proxy, seen } = await startOutbound(t, ca, { cert: pair.chainPem, key: pair.keyPem })
  const client = await connect(t, proxy.port)
  client.send('GET / HTTP/1.1\r\nHost: h\r\n\r\n')
  await client.until('\r\n\r\nok')
  seen[0]?.end()
  while ((proxy.plane.clusterStatus()[0]?.activeConnections ?? 0) > 0) await new Promise((resolve) => setImmediate(resolve))
  client.take()
  client.send(GET)
  await client.until('\r\n\r\nok')
  assert.equal(seen[1]?.isSessionReused(), true)
  assert.equal(proxy.plane.clusterStatus()[0]?.resumedHandshakes, 1)
  assert.equal(proxy.http[1]?.upstreamPrincipal, SERVER)
})

test('two proxies tell each other their labels once per connection, and the application never sees them', async (t) => {
  const ca = new TestCa()
  const { application, proxy: inbound } = await startInbound(t, ca, { alpn: ['lateen/1', 'http/1.1'] })
  const transport = upstreamTls(ca, CLIENT, [SERVER], { alpn: ['lateen/1'] })
  const outbound = await startProxy(t, simpleConfig([inbound.port], { cluster: { tls: transport } }))
  const client = await connect(t, outbound.port)
  for (let round = 0; round < 2; round++) {
    client.take()
    client.send(GET)
    await client.until('\r\n\r\nok')
  }
  assert.equal(inbound.http.length, 2)
  assert.deepEqual(
    inbound.http.map((outcome) => outcome.connection.peer?.workload),
    ['productpage-v1', 'productpage-v1'],
  )
  for (const request of requestsOf(await application.accept())) assert.doesNotMatch(request, /peer-metadata/)
  assert.ok((inbound.http[0]?.requestHeadBytes ?? 0) > (inbound.http[1]?.requestHeadBytes ?? 0), 'told with the first request only')
})

test('a renewed server certificate is used by new connections only', async (t) => {
  const ca = new TestCa()
  const application = await startUpstream(t, always(OK))
  const http = manager(virtualHost([route('/', forwardTo('app'))]))
  const settings = downstreamTls(ca, SERVER, { certificate: { kind: 'secret', name: 'default' } })
  const proxy = await startProxy(
    t,
    proxyConfig([listener([tlsChain(http, settings)], { inspection: INSPECTS_TLS })], [cluster('app', [application.port])]),
  )
  proxy.secrets.setKeyPair('default', ca.issue(SERVER))
  const old = await connectTls(t, proxy.port, identity(ca, CLIENT))
  const fingerprint = (peer: RawPeer): string | undefined =>
    peer.socket instanceof tls.TLSSocket ? peer.socket.getPeerCertificate().fingerprint256 : undefined
  const before = fingerprint(old)
  proxy.secrets.setKeyPair('default', ca.issue(SERVER))
  old.send(GET)
  await old.until('\r\n\r\nok')
  const fresh = await connectTls(t, proxy.port, identity(ca, CLIENT))
  assert.notEqual(fingerprint(fresh), before)
})

test('closing the data plane in the middle of handshakes and requests leaves nothing open', async (t) => {
  const ca = new TestCa()
  const { proxy } = await startInbound(t, ca)
  const silent = await connect(t, proxy.port)
  const hello = await connect(t, proxy.port)
  // A handshake that stays half-way: a relay takes the hello and gives nothing back.
  const capture = await startUpstream(t)
  const fake = tls.connect({ port: capture.port, host: '127.0.0.1' })
  fake.on('error', () => undefined)
  t.after(() => fake.destroy())
  const captured = await capture.accept()
  await captured.until((text) => text.length > 5)
  hello.send(captured.text)
  await hello.until((text) => text.length > 0)
  const open = await connectTls(t, proxy.port, identity(ca, CLIENT))
  proxy.plane.close()
  await Promise.all([silent.untilEnd(), hello.untilEnd(), open.untilEnd()])
})
