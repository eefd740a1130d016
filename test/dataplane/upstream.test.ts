// Pools, circuit breakers, retries, timeouts, and what a change of endpoints or configuration must not cut.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  chain,
  cluster,
  endpoint,
  forwardTo,
  listener,
  manager,
  proxyConfig,
  retries,
  route,
  simpleConfig,
  virtualHost,
} from './configs.ts'
import { always, closedPort, connect, GET, OK, type RawPeer, requestsOf, startProxy, startUpstream } from './peers.ts'

async function ask(client: RawPeer, request = GET): Promise<string> {
  client.take()
  client.send(request)
  await client.until((text) => /\r\n\r\n/.test(text))
  return client.text
}

const POST = 'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc'

test('no endpoint: 503 UH; no cluster: 503 NC; nobody listens: 503 UF; no route: 404 NR', async (t) => {
  const port = await closedPort()
  const host = virtualHost([
    route('/empty', forwardTo('empty')),
    route('/none', forwardTo('none')),
    route('/refused', forwardTo('refused')),
  ])
  const proxy = await startProxy(t, proxyConfig([listener([chain(manager(host))])], [cluster('empty', []), cluster('refused', [port])]))
  const client = await connect(t, proxy.port)
  for (const [path, status, flag] of [
    ['/empty', 503, 'UH'],
    ['/none', 503, 'NC'],
    ['/refused', 503, 'UF'],
    ['/other', 404, 'NR'],
  ] as const) {
    assert.match(await ask(client, `GET ${path} HTTP/1.1\r\nHost: h\r\n\r\n`), new RegExp(`^HTTP/1.1 ${status} `), path)
    assert.equal(proxy.http.at(-1)?.flags, flag)
  }
  assert.equal(proxy.http.length, 4)
})

test('a request refused before it was sent is retried on another endpoint, a POST too', async (t) => {
  const dead = await closedPort()
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([dead, upstream.port], { action: { retry: retries() } }))
  const client = await connect(t, proxy.port)
  for (let round = 0; round < 4; round++) assert.match(await ask(client, POST), /^HTTP\/1\.1 200 /)
  assert.equal(proxy.http.length, 4)
  assert.ok(proxy.http.some((outcome) => outcome.attempts === 2))
  const [first] = requestsOf(await upstream.accept())
  assert.match(first ?? '', /Content-Length: 3/)
})

test('a request that the upstream may have processed is not retried', async (t) => {
  const upstream = await startUpstream(t, (peer) => {
    peer.socket.once('data', () => peer.socket.destroy())
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { action: { retry: retries() } }))
  const client = await connect(t, proxy.port)
  assert.match(await ask(client, POST), /^HTTP\/1\.1 503 /)
  assert.equal(proxy.http[0]?.flags, 'UC')
  assert.equal(upstream.connections.length, 1)
})

test('a kept connection that dies at once is replaced for a GET, not for a POST', async (t) => {
  const upstream = await startUpstream(t, (peer) => {
    let requests = 0
    peer.socket.on('data', () => {
      if (++requests === 1) peer.send(OK)
      else peer.socket.destroy()
    })
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { action: { retry: retries() } }))
  const client = await connect(t, proxy.port)
  assert.match(await ask(client), /^HTTP\/1\.1 200 /)
  assert.match(await ask(client), /^HTTP\/1\.1 200 /)
  assert.equal(proxy.http[1]?.attempts, 2)
  assert.match(await ask(client, POST), /^HTTP\/1\.1 503 /)
})

test('a status is retried when the policy names it, and the answer of the last attempt goes through', async (t) => {
  const upstream = await startUpstream(t, always('HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n'))
  const retry = retries({ on: new Set(['5xx']), avoidsPreviousHosts: false })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { action: { retry } }))
  const client = await connect(t, proxy.port)
  assert.match(await ask(client, POST), /^HTTP\/1\.1 503 Busy/)
  assert.equal(proxy.http[0]?.attempts, 3)
  assert.equal(proxy.http[0]?.flags, 'URX')
  assert.equal(upstream.connections.flatMap(requestsOf).length, 3)
  assert.equal(proxy.plane.clusterStatus()[0]?.activeRequests, 0)
})

test('a body beyond the bound streams on and is sent once', async (t) => {
  const upstream = await startUpstream(t)
  const retry = retries({ on: new Set(['5xx']) })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { action: { retry } }))
  const client = await connect(t, proxy.port)
  const size = 300_000
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`)
  client.socket.write(Buffer.alloc(size, 'x'))
  const peer = await upstream.accept()
  await peer.until((text) => text.length - text.indexOf('\r\n\r\n') - 4 === size)
  peer.send('HTTP/1.1 500 No\r\nContent-Length: 0\r\n\r\n')
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 500 No/)
  assert.equal(upstream.connections.length, 1)
})

test('the route timeout answers 504 UT and gives the upstream connection up', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port], { action: { timeoutMs: 50 } }))
  const client = await connect(t, proxy.port)
  assert.match(await ask(client), /^HTTP\/1\.1 504 /)
  assert.equal(proxy.http[0]?.flags, 'UT')
  const peer = await upstream.accept()
  // What is left of the 50 ms when the attempt begins.
  const leftMs = Number(/x-envoy-expected-rq-timeout-ms: (\d+)\r\n/.exec(peer.text)?.[1])
  assert.ok(leftMs >= 1 && leftMs <= 50, `x-envoy-expected-rq-timeout-ms: ${leftMs}`)
  await peer.untilEnd()
})

test('circuit breakers: beyond max_requests and max_pending_requests 503 UO at once', async (t) => {
  const upstream = await startUpstream(t)
  const limits = { maxConnections: 1, maxPendingRequests: 1, maxRequests: 10, maxRetries: 1 }
  const proxy = await startProxy(t, simpleConfig([upstream.port], { cluster: { circuitBreaker: limits } }))
  const [first, second, third] = [await connect(t, proxy.port), await connect(t, proxy.port), await connect(t, proxy.port)]
  first.send(GET)
  const peer = await upstream.accept()
  await peer.until('\r\n\r\n')
  peer.take()
  second.send(GET)
  // The second waits for the only connection; whether it does cannot be seen from outside, so the third is sent until it is refused.
  while (proxy.plane.activeRequests < 2) await new Promise((resolve) => setImmediate(resolve))
  assert.match(await ask(third), /^HTTP\/1\.1 503 /)
  assert.equal(proxy.http[0]?.flags, 'UO')
  peer.send(OK)
  await peer.until('\r\n\r\n')
  peer.send(OK)
  await second.until('\r\n\r\nok')
  assert.equal(upstream.connections.length, 1)
})

test('an endpoint taken away: its idle connection closes, the request in flight finishes', async (t) => {
  const [one, two] = [await startUpstream(t), await startUpstream(t, always(OK))]
  const before = simpleConfig([one.port])
  const proxy = await startProxy(t, before)
  const [busy, idle] = [await connect(t, proxy.port), await connect(t, proxy.port)]
  busy.send(GET)
  const inFlight = await one.accept()
  await inFlight.until('\r\n\r\n')
  idle.send(GET)
  const quiet = await one.accept()
  await quiet.until('\r\n\r\n')
  quiet.send(OK)
  await idle.until('\r\n\r\nok')
  await proxy.plane.apply(simpleConfig([two.port]))
  await quiet.untilEnd()
  inFlight.send(OK)
  await busy.until('\r\n\r\nok')
  assert.match(await ask(busy), /200 OK/)
  assert.equal(two.connections.length, 1)
})

test('a changed route is in force for the next request of an open connection', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  assert.match(await ask(client), /200 OK/)
  const host = virtualHost([route('/', { kind: 'direct-response', status: 418, body: Buffer.from('tea') })])
  const { listeners, clusters } = proxy.plane.config
  const current = listeners.get('main')
  assert.ok(current !== undefined)
  await proxy.plane.apply({ listeners: new Map([['main', { ...current, filterChains: [chain(manager(host))] }]]), clusters })
  assert.match(await ask(client), /^HTTP\/1\.1 418 [\s\S]*tea$/)
})

test('weights 80/20 over 10,000 picks stay within three standard deviations', async (t) => {
  const [heavy, light] = [await startUpstream(t, always(OK)), await startUpstream(t, always(OK))]
  const action = forwardTo('heavy')
  const [first] = action.clusters
  assert.ok(first !== undefined)
  const split = {
    ...action,
    clusters: [
      { ...first, weight: 80 },
      { ...first, name: 'light', weight: 20 },
    ],
  }
  const proxy = await startProxy(
    t,
    proxyConfig(
      [listener([chain(manager(virtualHost([route('/', split)])))])],
      [cluster('heavy', [heavy.port]), cluster('light', [light.port])],
    ),
  )
  const total = 10_000
  const client = await connect(t, proxy.port)
  for (let sent = 0; sent < total; sent += 100) {
    client.take()
    client.send(GET.repeat(100))
    await client.until((text) => text.split('\r\n\r\nok').length === 101)
  }
  const hits = proxy.http.filter((outcome) => outcome.clusterName === 'heavy').length
  assert.equal(proxy.http.length, total)
  assert.ok(Math.abs(hits - 8000) <= 3 * Math.sqrt(total * 0.8 * 0.2), `${hits} of ${total}`)
})

test('endpoints in panic or unhealthy: the healthy ones are used while there are enough', async (t) => {
  const [sick, well] = [await startUpstream(t, always(OK)), await startUpstream(t, always(OK))]
  const endpoints = [endpoint(sick.port, { health: 'unhealthy' }), endpoint(well.port)]
  const proxy = await startProxy(t, simpleConfig([], { cluster: { endpoints, panicThresholdPercent: 10 } }))
  const client = await connect(t, proxy.port)
  for (let round = 0; round < 6; round++) await ask(client)
  assert.equal(sick.connections.length, 0)
})

test('an idle upstream connection is closed after its time', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port], { cluster: { idleTimeoutMs: 30 } }))
  await ask(await connect(t, proxy.port))
  await (await upstream.accept()).untilEnd()
})

test('a port in use is a sentence, and the rest of the configuration works', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const config = simpleConfig([upstream.port])
  const main = config.listeners.get('main')
  assert.ok(main !== undefined)
  const proxy = await startProxy(t, config)
  const taken = { ...main, name: 'taken', address: { host: '127.0.0.1', port: upstream.port } }
  const problems = await proxy.plane.apply({
    ...config,
    listeners: new Map([
      ['main', main],
      ['taken', taken],
    ]),
  })
  assert.equal(problems.length, 1)
  assert.match(problems[0]?.message ?? '', /listener taken: 127\.0\.0\.1:\d+ is in use by another program/)
  assert.match(await ask(await connect(t, proxy.port)), /200 OK/)
})

test('draining: no new connections, answers in flight say close, kept connections end when quiet', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const [busy, idle] = [await connect(t, proxy.port), await connect(t, proxy.port)]
  busy.send(GET)
  const peer = await upstream.accept()
  await peer.until('\r\n\r\n')
  const drained = proxy.plane.drain(5000)
  peer.send(OK)
  assert.match(await busy.untilEnd(), /connection: close\r\n\r\nok$/)
  await idle.untilEnd()
  idle.socket.end()
  busy.socket.end()
  await drained
  await assert.rejects(connect(t, proxy.port))
  assert.equal(proxy.plane.activeConnections, 0)
})

test('beyond the connection limit new connections are refused', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]), { maxDownstreamConnections: 1 })
  const first = await connect(t, proxy.port)
  await ask(first)
  const second = await connect(t, proxy.port)
  assert.equal(await second.untilEnd(), '')
  assert.match(await ask(first), /200 OK/)
})

test('a request whose connect fails while its body is still coming is retried, and arrives whole', async (t) => {
  const dead = await closedPort()
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([dead, upstream.port], { action: { retry: retries() } }))
  for (let round = 0; round < 2; round++) {
    const client = await connect(t, proxy.port)
    client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc')
    const peer = await upstream.accept()
    await peer.until('\r\n\r\nabc')
    client.send('def')
    await peer.until('\r\n\r\nabcdef')
    peer.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok')
    await client.until('\r\n\r\nok')
  }
  assert.ok(proxy.http.some((outcome) => outcome.attempts === 2))
  assert.equal(proxy.plane.clusterStatus()[0]?.activeRequests, 0)
})

test('each try has its own time; the last one that runs out answers 504 UT', async (t) => {
  const upstream = await startUpstream(t)
  const retry = retries({ maxRetries: 1, on: new Set(['reset']), perTryTimeoutMs: 30 })
  const proxy = await startProxy(t, simpleConfig([upstream.port], { action: { retry } }))
  const client = await connect(t, proxy.port)
  assert.match(await ask(client), /^HTTP\/1\.1 504 /)
  assert.equal(proxy.http[0]?.attempts, 2)
  assert.equal(proxy.http[0]?.flags, 'UT,URX')
  assert.equal(upstream.connections.length, 2)
})
