// CONNECT to the listener that applications use as their HTTP proxy: what is inside the tunnel is routed like anything else.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import type { HttpConnectionManager, ProxyConfig } from '../../src/proxy/config/proxy-config.ts'
import { chain, cluster, forwardTo, listener, manager, proxyConfig, route, virtualHost } from './configs.ts'
import { always, connect, OK, type RawUpstream, requestsOf, startProxy, startUpstream } from './peers.ts'

const run = promisify(execFile)
const CONNECT = 'CONNECT reviews:9080 HTTP/1.1\r\nHost: reviews:9080\r\nConnection: close\r\n\r\n'
const INSIDE = 'GET /inside HTTP/1.1\r\nHost: reviews:9080\r\n\r\n'

function forwardProxy(upstream: RawUpstream, overrides: Partial<HttpConnectionManager> = {}): ProxyConfig {
  const http = manager(virtualHost([route('/', forwardTo('reviews'))]), { upgrades: new Set(['connect']), ...overrides })
  const reviews = http.routes.defaultHost
  const routes = { ...http.routes, defaultHost: undefined, exactHosts: new Map(reviews === undefined ? [] : [['reviews:9080', reviews]]) }
  return proxyConfig([listener([chain({ ...http, routes })], { direction: 'outbound' })], [cluster('reviews', [upstream.port])])
}

async function start(t: TestContext, overrides: Partial<HttpConnectionManager> = {}) {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, forwardProxy(upstream, overrides))
  return { upstream, proxy, client: await connect(t, proxy.port) }
}

test('requests inside a tunnel are routed by their own Host, several on one connection, and recorded', async (t) => {
  const { upstream, proxy, client } = await start(t)

  client.send(CONNECT)
  assert.equal(await client.until('\r\n\r\n'), 'HTTP/1.1 200 OK\r\n\r\n')
  client.take()
  client.send(INSIDE)
  await client.until('\r\n\r\nok')
  client.take()
  client.send(INSIDE)
  await client.until('\r\n\r\nok')
  await proxy.recorded(3)

  assert.deepEqual(
    proxy.http.map(({ method, path, status, clusterName }) => ({ method, path, status, clusterName })),
    [
      { method: 'CONNECT', path: '', status: 200, clusterName: '' },
      { method: 'GET', path: '/inside', status: 200, clusterName: 'reviews' },
      { method: 'GET', path: '/inside', status: 200, clusterName: 'reviews' },
    ],
  )
  const peer = await upstream.accept()
  assert.equal(requestsOf(peer).length, 2)
})

test('a request sent together with CONNECT is served too', async (t) => {
  const { client } = await start(t)
  client.send(CONNECT + INSIDE)
  assert.match(await client.until('\r\n\r\nok'), /^HTTP\/1\.1 200 OK\r\n\r\nHTTP\/1\.1 200 OK\r\n/)
})

test('a host that no route knows is refused inside the tunnel as it is outside', async (t) => {
  const { client } = await start(t)
  client.send(CONNECT)
  await client.until('\r\n\r\n')
  client.take()
  client.send('GET / HTTP/1.1\r\nHost: elsewhere\r\n\r\n')
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 404 /)
})

test('TLS inside a tunnel is refused with a sentence', async (t) => {
  const { proxy, client } = await start(t)
  client.send(CONNECT)
  await client.until('\r\n\r\n')
  client.take()
  client.send('\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03')
  assert.match(await client.untilEnd(), /^HTTP\/1\.1 400 .*TLS inside a CONNECT tunnel is not forwarded/s)
  await proxy.recorded(2)
  assert.equal(proxy.http[1]?.status, 400)
})

test('a draining proxy serves the request for which a tunnel was opened, as the last one', async (t) => {
  const { proxy, client } = await start(t)
  client.send(CONNECT)
  await client.until('\r\n\r\n')
  client.take()
  const drained = proxy.plane.drain(10_000)
  client.send(INSIDE)
  assert.match(await client.untilEnd(), /^HTTP\/1\.1 200 OK\r\n.*\r\nconnection: close\r\n/is)
  await drained
})

test('where the manager does not allow it, CONNECT is refused', async (t) => {
  const { client } = await start(t, { upgrades: new Set() })
  client.send(CONNECT)
  assert.match(await client.untilEnd(), /^HTTP\/1\.1 404 /)
})

test("Node's fetch reaches a service through HTTP_PROXY", async (t) => {
  const { proxy } = await start(t)
  const program = "const r = await fetch('http://reviews:9080/inside'); console.log(r.status, await r.text())"
  const { stdout } = await run(process.execPath, ['--input-type=module', '-e', program], {
    env: { PATH: process.env.PATH, NODE_USE_ENV_PROXY: '1', HTTP_PROXY: `http://127.0.0.1:${proxy.port}` },
  })
  assert.equal(stdout, '200 ok\n')
  assert.ok(proxy.http.some(({ path, clusterName }) => path === '/inside' && clusterName === 'reviews'))
})
