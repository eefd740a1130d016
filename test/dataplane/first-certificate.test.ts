// Connections that come before the first certificate: they wait for it, for a bounded time.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import type { ProxyConfig } from '../../src/proxy/config/proxy-config.ts'
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
  upstreamTls,
  virtualHost,
} from './configs.ts'
import { always, connect, GET, OK, RawPeer, startProxy, startUpstream } from './peers.ts'

const SERVER = 'spiffe://cluster.local/ns/default/sa/reviews'
const CLIENT = 'spiffe://cluster.local/ns/default/sa/productpage'
const OWN = { kind: 'secret', name: 'default' } as const

/** A client side whose own certificate has not come, in front of a server that wants one. */
async function startClientSide(t: TestContext, ca: TestCa, connectTimeoutMs: number) {
  const { chainPem, keyPem } = ca.issue(SERVER)
  const server = tls.createServer({ cert: chainPem, key: keyPem, ca: ca.rootPem, requestCert: true }, (socket) => {
    socket.on('data', () => socket.write(OK))
    socket.on('error', () => undefined)
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  const transport = { ...upstreamTls(ca, CLIENT, [SERVER]), certificate: OWN }
  const http = manager(virtualHost([route('/', forwardTo('up'))]))
  const config: ProxyConfig = proxyConfig([listener([chain(http)])], [cluster('up', [port], { tls: transport, connectTimeoutMs })])
  return startProxy(t, config)
}

test('a request that needs a connection before the first certificate came is sent with it', async (t) => {
  const ca = new TestCa()
  const proxy = await startClientSide(t, ca, 10_000)
  const client = await connect(t, proxy.port)
  client.send(GET)
  await proxyHasRequest(proxy.plane)

  proxy.secrets.setKeyPair('default', ca.issue(CLIENT))

  assert.match(await client.until('\r\n\r\nok'), /^HTTP\/1\.1 200 OK\r\n/)
})

test('without a certificate the request fails after the connect timeout, with the reason', async (t) => {
  const proxy = await startClientSide(t, new TestCa(), 50)
  const client = await connect(t, proxy.port)
  client.send(GET)
  assert.match(await client.until('certificate'), /^HTTP\/1\.1 503 .*no certificate or roots for this connection yet/s)
})

test('a client that comes before the first certificate of the listener is served with it', async (t) => {
  const ca = new TestCa()
  const upstream = await startUpstream(t, always(OK))
  const http = manager(virtualHost([route('/', forwardTo('app'))]))
  const secure = tlsChain(http, downstreamTls(ca, SERVER, { certificate: OWN }))
  const proxy = await startProxy(t, proxyConfig([listener([secure], { inspection: INSPECTS_TLS })], [cluster('app', [upstream.port])]))
  const { chainPem, keyPem } = ca.issue(CLIENT)
  const own = { cert: chainPem, key: keyPem, ca: ca.rootPem }
  const socket = tls.connect({ port: proxy.port, host: '127.0.0.1', checkServerIdentity: () => undefined, ...own })
  t.after(() => socket.destroy())
  const secured = once(socket, 'secureConnect')
  await once(socket, 'connect')

  proxy.secrets.setKeyPair('default', ca.issue(SERVER))
  await secured
  const client = new RawPeer(socket)
  client.send(GET)

  assert.match(await client.until('\r\n\r\nok'), /^HTTP\/1\.1 200 OK\r\n/)
})

/** Resolves when the proxy has read the request. */
async function proxyHasRequest(plane: { readonly activeRequests: number }): Promise<void> {
  while (plane.activeRequests === 0) await new Promise((resolve) => setImmediate(resolve))
}
