// Connections that were accepted under a configuration which is no longer in force: which go on, which end, and how.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import type { FilterChain, Listener, ProxyConfig } from '../../src/proxy/config/proxy-config.ts'
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
  tlsChain,
  virtualHost,
} from './configs.ts'
import { connect, GET, OK, RawPeer, type RawUpstream, startProxy, startUpstream } from './peers.ts'

const SERVER = 'spiffe://cluster.local/ns/default/sa/reviews'
const CLIENT = 'spiffe://cluster.local/ns/default/sa/productpage'

interface Modes {
  readonly ca: TestCa
  readonly upstream: RawUpstream
  readonly permissive: ProxyConfig
  readonly strict: ProxyConfig
}

async function modes(t: TestContext): Promise<Modes> {
  const ca = new TestCa()
  const upstream = await startUpstream(t)
  const http = manager(virtualHost([route('/', forwardTo('app'))]))
  const secure = tlsChain(http, downstreamTls(ca, SERVER))
  const plain = chain(http, { name: 'plain', match: { ...chain(http).match, transportProtocol: 'raw_buffer' } })
  const config = (chains: readonly FilterChain[], overrides: Partial<Listener> = {}): ProxyConfig =>
    proxyConfig([listener(chains, { inspection: INSPECTS_TLS, ...overrides })], [cluster('app', [upstream.port])])
  return { ca, upstream, permissive: config([plain, secure]), strict: config([{ ...secure, name: 'strict' }]) }
}

async function exchange(client: RawPeer, upstream: RawPeer): Promise<string> {
  client.send(GET)
  await upstream.until('GET / ')
  upstream.take()
  upstream.send(OK)
  await client.until('\r\n\r\nok')
  return client.take()
}

test('STRICT ends idle plaintext connections that were accepted under PERMISSIVE', async (t) => {
  const { upstream, permissive, strict } = await modes(t)
  const proxy = await startProxy(t, permissive)
  const client = await connect(t, proxy.port)
  await upstreamOf(upstream, client)

  await proxy.plane.apply(strict)

  assert.equal(await client.untilEnd(), '')
})

/** The upstream's side of the connection that the first request opens. */
async function upstreamOf(upstream: RawUpstream, client: RawPeer): Promise<RawPeer> {
  client.send(GET)
  const peer = await upstream.accept()
  await peer.until('GET / ')
  peer.take()
  peer.send(OK)
  await client.until('\r\n\r\nok')
  client.take()
  return peer
}

test('STRICT lets the plaintext exchange under way finish, and it is the last one of its connection', async (t) => {
  const { upstream, permissive, strict } = await modes(t)
  const proxy = await startProxy(t, permissive)
  const client = await connect(t, proxy.port)
  client.send(GET)
  const peer = await upstream.accept()
  await peer.until('GET / ')

  await proxy.plane.apply(strict)
  peer.send(OK)
  const answer = await client.untilEnd()

  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*connection: close\r\n.*\r\nok$/is)
})

test('STRICT does not touch connections with mutual TLS, whatever their chain is called now', async (t) => {
  const { ca, upstream, permissive, strict } = await modes(t)
  const proxy = await startProxy(t, permissive)
  const { chainPem, keyPem } = ca.issue(CLIENT)
  const socket = tls.connect({
    port: proxy.port,
    host: '127.0.0.1',
    checkServerIdentity: () => undefined,
    cert: chainPem,
    key: keyPem,
    ca: ca.rootPem,
  })
  t.after(() => socket.destroy())
  await once(socket, 'secureConnect')
  const client = new RawPeer(socket)
  const peer = await upstreamOf(upstream, client)

  await proxy.plane.apply(strict)
  const answer = await exchange(client, peer)

  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n/)
  assert.doesNotMatch(answer, /connection: close/i)
})

test('a request that comes just after its listener was removed is answered, and the connection ends', async (t) => {
  const { upstream, permissive } = await modes(t)
  const proxy = await startProxy(t, permissive)
  const client = await connect(t, proxy.port)
  const peer = await upstreamOf(upstream, client)

  await proxy.plane.apply({ ...permissive, listeners: new Map() })
  client.send(GET)
  await peer.until('GET / ')
  peer.send(OK)
  const answer = await client.untilEnd()

  assert.match(answer, /^HTTP\/1\.1 200 OK\r\n.*\r\nconnection: close\r\n/is)
})

test('an idle connection of a removed listener ends', async (t) => {
  const { upstream, permissive } = await modes(t)
  const proxy = await startProxy(t, permissive)
  const client = await connect(t, proxy.port)
  await upstreamOf(upstream, client)

  await proxy.plane.apply({ ...permissive, listeners: new Map() })

  assert.equal(await client.untilEnd(), '')
})
