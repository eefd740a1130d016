// Protocol detection: one port for HTTP, for TLS that is passed on, and for protocols that nobody declared.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import tls from 'node:tls'
import type { FilterChain, ListenerInspection, TcpProxy } from '../../src/proxy/config/proxy-config.ts'
import { TestCa } from '../harness/certificates.ts'
import { chain, cluster, forwardTo, listener, manager, NO_MUTATIONS, proxyConfig, route, virtualHost } from './configs.ts'
import { always, connect, GET, OK, startProxy, startUpstream } from './peers.ts'

const INSPECTION: ListenerInspection = { tls: true, http: true, timeoutMs: 200, continuesOnTimeout: true }

function tcpTo(name: string): TcpProxy {
  const clusters = [{ name, weight: 1, requestHeaders: NO_MUTATIONS, responseHeaders: NO_MUTATIONS }]
  return { kind: 'tcp-proxy', statPrefix: name, clusters, idleTimeoutMs: undefined, accessLogs: [] }
}

/** Istio's chains for a port of unknown protocol: HTTP where it is seen, octets otherwise. */
function detecting(httpPort: number, tcpPort: number, inspection = INSPECTION) {
  const http = chain(manager(virtualHost([route('/', forwardTo('http'))])))
  const chains: FilterChain[] = [
    { ...http, name: 'http', match: { ...http.match, applicationProtocols: ['http/1.1', 'h2c'] } },
    chain(tcpTo('tcp')),
  ]
  return proxyConfig([listener(chains, { inspection })], [cluster('http', [httpPort]), cluster('tcp', [tcpPort])])
}

test('a request goes by the route table, whatever else goes octet by octet', async (t) => {
  const http = await startUpstream(t, always(OK))
  const tcp = await startUpstream(t, (peer) => peer.socket.on('data', (chunk) => peer.socket.write(`heard ${chunk.toString()}`)))
  const proxy = await startProxy(t, detecting(http.port, tcp.port))
  const browser = await connect(t, proxy.port)
  browser.send(GET.slice(0, 5))
  browser.send(GET.slice(5))
  await browser.until('200 OK')
  const other = await connect(t, proxy.port)
  other.send('SELECT 1;\n')
  await other.until('heard SELECT 1;')
})

test('a server that speaks first is heard when the wait for the client is over', async (t) => {
  const http = await startUpstream(t, always(OK))
  const tcp = await startUpstream(t, (peer) => peer.send('220 ready\r\n'))
  const proxy = await startProxy(t, detecting(http.port, tcp.port))
  const client = await connect(t, proxy.port)
  await client.until('220 ready')
})

test('at a port that is left out, nobody waits for a client that says nothing', async (t) => {
  const tcp = await startUpstream(t, (peer) => peer.send('220 ready\r\n'))
  const everywhere = { kind: 'any' } as const
  const inspection = { ...INSPECTION, timeoutMs: undefined, tlsExcept: everywhere, httpExcept: everywhere }
  const proxy = await startProxy(t, detecting(tcp.port, tcp.port, inspection))
  const client = await connect(t, proxy.port)
  await client.until('220 ready')
})

test('where the wait may not end in a guess, a silent client is closed', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, detecting(upstream.port, upstream.port, { ...INSPECTION, continuesOnTimeout: false }))
  const client = await connect(t, proxy.port)
  assert.equal(await client.untilEnd(), '')
  assert.equal(upstream.connections.length, 0)
})

test('TLS is passed on unopened to the cluster of its server name', async (t) => {
  const ca = new TestCa()
  const servers = await Promise.all(
    ['a', 'b'].map(async (name) => {
      const pair = ca.issue({ dns: `${name}.test` })
      const server = tls.createServer({ cert: pair.chainPem, key: pair.keyPem }, (socket) => socket.end(`I am ${name}`))
      await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
      t.after(() => server.close())
      const address = server.address()
      return typeof address === 'object' && address !== null ? address.port : 0
    }),
  )
  const chains = ['a', 'b'].map((name) => {
    const plain = chain(tcpTo(name))
    return { ...plain, name, match: { ...plain.match, transportProtocol: 'tls' as const, serverNames: [`${name}.test`] } }
  })
  const config = proxyConfig(
    [listener(chains, { inspection: { ...INSPECTION, http: false } })],
    [cluster('a', [servers[0] ?? 0]), cluster('b', [servers[1] ?? 0])],
  )
  const proxy = await startProxy(t, config)
  for (const name of ['b', 'a']) {
    const socket = tls.connect({ host: '127.0.0.1', port: proxy.port, servername: `${name}.test`, ca: ca.rootPem })
    t.after(() => socket.destroy())
    const text = await new Promise<string>((resolve, reject) => {
      let heard = ''
      socket.on('data', (chunk) => {
        heard += chunk.toString()
      })
      socket.on('end', () => resolve(heard))
      socket.on('error', reject)
    })
    assert.equal(text, `I am ${name}`)
  }
  const stranger = tls.connect({ host: '127.0.0.1', port: proxy.port, servername: 'c.test', ca: ca.rootPem })
  t.after(() => stranger.destroy())
  await assert.rejects(new Promise((resolve, reject) => stranger.on('secureConnect', resolve).on('error', reject)))
})
