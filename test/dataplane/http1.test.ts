// HTTP/1.1 through the proxy, octet for octet on both sides.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { chain, cluster, forwardTo, listener, manager, proxyConfig, route, simpleConfig, virtualHost } from './configs.ts'
import { always, connect, GET, OK, requestsOf, startProxy, startUpstream } from './peers.ts'

test('a request crosses, keep-alive on both sides, one upstream connection', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  for (let round = 0; round < 3; round++) {
    client.send(GET)
    const answer = await client.until('\r\n\r\nok')
    assert.match(
      answer,
      /^HTTP\/1\.1 200 OK\r\nContent-Length: 2\r\nx-envoy-upstream-service-time: \d+\r\ndate: [^\r]+\r\nserver: envoy\r\n\r\nok$/,
    )
    client.take()
  }
  assert.equal(upstream.connections.length, 1)
  const [first] = requestsOf(await upstream.accept())
  assert.match(
    first ?? '',
    /^GET \/ HTTP\/1\.1\r\nHost: h\r\nx-forwarded-proto: http\r\nx-request-id: [0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\r\n\r\n$/,
  )
  assert.equal(proxy.http.length, 3)
  assert.equal(proxy.http[0]?.details, 'via_upstream')
})

test('pipelined requests are answered in order, one at a time', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(
    'GET /1 HTTP/1.1\r\nHost: h\r\n\r\nGET /2 HTTP/1.1\r\nHost: h\r\n\r\nPOST /3 HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc',
  )
  const peer = await upstream.accept()
  await peer.until('GET /1 ')
  assert.ok(!peer.text.includes('/2'), 'the second waits for the answer to the first')
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n1')
  await peer.until('GET /2 ')
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n2')
  await peer.until((text) => text.includes('POST /3') && text.endsWith('\r\n\r\nabc'))
  peer.send('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n3')
  const answers = await client.until('\r\n\r\n3')
  assert.deepEqual(
    [...answers.matchAll(/\r\n\r\n(\d)/g)].map((match) => match[1]),
    ['1', '2', '3'],
  )
})

test('a chunked request and a chunked response keep their octets, trailers included', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  const peer = await upstream.accept()
  await peer.until('3\r\nabc\r\n')
  client.send('2;x=y\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n')
  await peer.until((text) => text.endsWith('3\r\nabc\r\n2\r\nde\r\n0\r\nX-Sum: 5\r\n\r\n'))
  peer.send('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhel')
  await client.until('5\r\nhel')
  peer.send('lo\r\n0\r\nX-End: 1\r\n\r\n')
  await client.until((text) => text.endsWith('5\r\nhello\r\n0\r\nX-End: 1\r\n\r\n'))
  await proxy.recorded(1)
  assert.equal(proxy.http[0]?.bytesReceived, 5)
  assert.equal(proxy.http[0]?.bytesSent, 5)
})

test('100 Continue comes from the upstream, never from the proxy', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\nExpect: 100-continue\r\n\r\n')
  const peer = await upstream.accept()
  await peer.until('Expect: 100-continue')
  assert.equal(client.text, '')
  peer.send('HTTP/1.1 100 Continue\r\n\r\n')
  await client.until('HTTP/1.1 100 Continue\r\n\r\n')
  client.send('abc')
  await peer.until((text) => text.endsWith('\r\n\r\nabc'))
  peer.send('HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
  const answer = await client.until('\r\n\r\nok')
  assert.match(answer, /103 Early Hints\r\nLink: x\r\n\r\nHTTP\/1\.1 200/)
})

test('responses without a body end with their head', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  const peers: Record<string, string> = {
    'HEAD /': 'HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\n',
    'GET /204': 'HTTP/1.1 204 No Content\r\n\r\n',
    'GET /304': 'HTTP/1.1 304 Not Modified\r\nContent-Length: 50\r\n\r\n',
  }
  client.send('HEAD / HTTP/1.1\r\nHost: h\r\n\r\n')
  const peer = await upstream.accept()
  for (const [start, answer] of Object.entries(peers)) {
    if (start !== 'HEAD /') client.send(`${start} HTTP/1.1\r\nHost: h\r\n\r\n`)
    await peer.until(start)
    peer.send(answer)
    await client.until('\r\n\r\n')
    client.take()
  }
  assert.equal(upstream.connections.length, 1)
})

test('a body until close reaches an HTTP/1.1 client as chunks, and its connection lives', async (t) => {
  const upstream = await startUpstream(t, (peer) => {
    peer.socket.once('data', () => peer.socket.end('HTTP/1.1 200 OK\r\n\r\nbye'))
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(GET)
  const answer = await client.until('0\r\n\r\n')
  assert.match(answer, /transfer-encoding: chunked\r\n\r\n3\r\nbye\r\n0\r\n\r\n$/)
  client.take()
  client.send(GET)
  await client.until('0\r\n\r\n')
})

test('HTTP/1.0: chunks are taken apart, the connection closes, unless keep-alive and a length', async (t) => {
  const upstream = await startUpstream(t, always('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n'))
  const proxy = await startProxy(t, simpleConfig([upstream.port], { manager: { acceptHttp10: true } }))
  const client = await connect(t, proxy.port)
  client.send('GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n')
  const answer = await client.untilEnd()
  assert.match(answer, /^HTTP\/1\.0 200 OK\r\n[\s\S]*connection: close\r\n\r\nhello$/)
  assert.doesNotMatch(answer, /transfer-encoding/i)
})

test('HTTP/1.0 is refused with 426 where the listener does not accept it', async (t) => {
  const proxy = await startProxy(t, simpleConfig([1]))
  const client = await connect(t, proxy.port)
  client.send('GET / HTTP/1.0\r\nHost: h\r\n\r\n')
  assert.match(await client.untilEnd(), /^HTTP\/1\.0 426 Upgrade Required/)
})

test('an early response reaches the client; the rest of a small request is read away and the connection goes on', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send('POST /big HTTP/1.1\r\nHost: h\r\nContent-Length: 6\r\n\r\nabc')
  const peer = await upstream.accept()
  await peer.until('\r\n\r\nabc')
  peer.send('HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno')
  await client.until('\r\n\r\nno')
  client.take()
  client.send('def')
  client.send(GET)
  const second = await upstream.accept()
  await second.until('GET / ')
  second.send(OK)
  await client.until('\r\n\r\nok')
  assert.equal(proxy.http.length, 2)
})

test('a client that has closed its side after the request still gets the answer', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.socket.end(GET)
  const peer = await upstream.accept()
  await peer.until('\r\n\r\n')
  peer.send(OK)
  const answer = await client.untilEnd()
  assert.match(answer, /connection: close\r\n\r\nok$/)
  assert.equal(proxy.http[0]?.flags, '')
})

test('a client that goes away cancels the upstream request and is recorded once as DC', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(GET)
  const peer = await upstream.accept()
  await peer.until('\r\n\r\n')
  client.socket.resetAndDestroy()
  await peer.untilEnd()
  await proxy.recorded(1)
  assert.equal(proxy.http.length, 1)
  assert.equal(proxy.http[0]?.flags, 'DC')
  assert.equal(proxy.plane.activeRequests, 0)
})

test('a request broken off in its body is not completed upstream', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 10\r\n\r\nabc')
  const peer = await upstream.accept()
  await peer.until('abc')
  client.socket.end()
  await peer.untilEnd()
  await proxy.recorded(1)
  assert.equal(proxy.http[0]?.flags, 'DPE')
})

test('a bad chunk after good ones: 400, close, and the upstream never sees an end', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send('POST / HTTP/1.1\r\nHost: h\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n')
  const peer = await upstream.accept()
  await peer.until('abc\r\n')
  client.send('0x1\r\na\r\n0\r\n\r\n')
  assert.match(await client.untilEnd(), /^HTTP\/1\.1 400 [\s\S]*connection: close/)
  await peer.untilEnd()
  assert.ok(!peer.text.endsWith('0\r\n\r\n'))
})

test('an ambiguous request is answered 400 and reaches no upstream', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(
    'POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 30\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: h\r\n\r\n',
  )
  const answer = await client.untilEnd()
  assert.match(answer, /^HTTP\/1\.1 400 Bad Request\r\n/)
  assert.equal(answer.match(/HTTP\/1\.1 /g)?.length, 1)
  assert.equal(upstream.connections.length, 0)
  assert.equal(proxy.http.length, 1)
  assert.equal(proxy.http[0]?.flags, 'DPE')
})

test('a malformed response becomes 502 UPE, and its connection is not used again', async (t) => {
  const upstream = await startUpstream(t, always('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab'))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(GET)
  assert.match(await client.until('\r\n\r\n'), /^HTTP\/1\.1 502 Bad Gateway/)
  assert.equal(proxy.http[0]?.flags, 'UPE')
  await (await upstream.accept()).untilEnd()
})

test('octets after a response close the upstream connection instead of answering the next request', async (t) => {
  const upstream = await startUpstream(t, always(`${OK}HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil`))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  for (let round = 0; round < 2; round++) {
    client.send(GET)
    assert.ok(!(await client.until('\r\n\r\nok')).includes('evil'))
    client.take()
  }
  assert.equal(upstream.connections.length, 2)
})

test('a response cut short cuts the client too: it must not take a part for the whole', async (t) => {
  const upstream = await startUpstream(t, (peer) => {
    peer.socket.once('data', () => peer.socket.end('HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\npart'))
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(GET)
  assert.match(await client.untilEnd(), /part$/)
  await proxy.recorded(1)
  const [outcome] = proxy.http
  assert.equal(outcome?.status, 200)
  assert.equal(outcome?.flags, 'UPE')
  assert.equal(outcome?.details, 'upstream_reset_after_response_started{protocol_error}')
  assert.equal(outcome?.bytesSent, 4, 'what the client got is told, as Envoy does')
})

test('a response without a length that breaks off is not taken for a whole one', async (t) => {
  const upstream = await startUpstream(t, (peer) => {
    peer.socket.once('data', () => peer.socket.write('HTTP/1.1 200 OK\r\n\r\npart'))
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(GET)
  await client.until('part')
  upstream.connections[0]?.socket.resetAndDestroy()
  assert.doesNotMatch(await client.untilEnd(), /\r\n0\r\n/)
  await proxy.recorded(1)
  assert.equal(proxy.http[0]?.flags, 'UC')
  assert.equal(proxy.http[0]?.details, 'upstream_reset_after_response_started{connection_termination}')
  assert.equal(proxy.http[0]?.bytesSent, 4)
})

test('a large body crosses whole both ways, with bounded memory in between', async (t) => {
  const size = 8 * 1024 * 1024
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`)
  const peer = await upstream.accept()
  await peer.until('\r\n\r\n')
  peer.socket.pause()
  client.socket.write(Buffer.alloc(size, 'a'))
  peer.socket.resume()
  await peer.until((text) => text.length - text.indexOf('\r\n\r\n') - 4 === size)
  peer.send(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
  peer.socket.write(Buffer.alloc(size, 'b'))
  await client.until((text) => text.length - text.indexOf('\r\n\r\n') - 4 === size)
  await proxy.recorded(1)
  assert.equal(proxy.http[0]?.bytesReceived, size)
  assert.equal(proxy.http[0]?.bytesSent, size)
})

test('the absolute form is routed by its authority and forwarded in origin form', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send('GET http://reviews:9080/x?y HTTP/1.1\r\nHost: other\r\nProxy-Connection: keep-alive\r\n\r\n')
  await client.until('\r\n\r\nok')
  const [request] = requestsOf(await upstream.accept())
  assert.match(request ?? '', /^GET \/x\?y HTTP\/1\.1\r\nhost: reviews:9080\r\n/)
  assert.doesNotMatch(request ?? '', /other|proxy-connection/i)
  assert.equal(proxy.http[0]?.authority, 'reviews:9080')
})

test('fields of the hop end here, also those that Connection names; Connection cannot strip the host', async (t) => {
  const upstream = await startUpstream(
    t,
    always('HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: x-secret\r\nX-Secret: 1\r\nKeep-Alive: timeout=5\r\n\r\nok'),
  )
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(
    'GET / HTTP/1.1\r\nHost: h\r\nConnection: X-Hop, host, content-length\r\nX-Hop: 1\r\nKeep-Alive: 5\r\nTE: trailers, gzip\r\nX-Kept: 2\r\n\r\n',
  )
  const answer = await client.until('\r\n\r\nok')
  assert.doesNotMatch(answer, /secret|keep-alive/i)
  const [request] = requestsOf(await upstream.accept())
  assert.match(request ?? '', /^GET \/ HTTP\/1\.1\r\nHost: h\r\nX-Kept: 2\r\nx-forwarded-proto/)
})

test('a WebSocket handshake opens a tunnel with half-close', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port], { manager: { upgrades: new Set(['websocket']) } }))
  const client = await connect(t, proxy.port)
  client.send('GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  const peer = await upstream.accept()
  assert.match(await peer.until('\r\n\r\n'), /connection: upgrade\r\nupgrade: websocket\r\n/)
  peer.send('HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\nhello')
  assert.match(await client.until('hello'), /^HTTP\/1\.1 101 [\s\S]*Upgrade: websocket\r\n[\s\S]*connection: upgrade\r\n\r\nhello$/)
  client.send('ping')
  await peer.until('ping')
  client.socket.end()
  await peer.untilEnd()
  peer.send('last words')
  peer.socket.end()
  assert.match(await client.untilEnd(), /last words$/)
  await proxy.recorded(1)
  assert.equal(proxy.http[0]?.status, 101)
  assert.equal(proxy.http[0]?.bytesReceived, 4)
  assert.equal(proxy.plane.activeRequests, 0)
})

test('an upgrade that is not allowed is refused', async (t) => {
  const proxy = await startProxy(t, simpleConfig([1]))
  const client = await connect(t, proxy.port)
  client.send('GET /chat HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n')
  assert.match(await client.untilEnd(), /^HTTP\/1\.1 403 /)
})

test('requests sent before the client closed its side are all answered', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.socket.end(GET.repeat(3))
  const answers = await client.untilEnd()
  assert.equal(answers.match(/200 OK/g)?.length, 3)
  assert.equal(answers.match(/connection: close/g)?.length ?? 0, 1)
})

test('CONNECT, where it is allowed, opens a tunnel', async (t) => {
  const upstream = await startUpstream(t)
  const any = route('/', forwardTo('up'), {
    match: { path: { kind: 'connect' }, headers: [], queryParameters: [], fractionPerMillion: undefined },
  })
  const http = manager(virtualHost([any]), { upgrades: new Set(['connect']) })
  const proxy = await startProxy(t, proxyConfig([listener([chain(http)])], [cluster('up', [upstream.port])]))
  const client = await connect(t, proxy.port)
  client.send('CONNECT db:5432 HTTP/1.1\r\nHost: db:5432\r\n\r\nearly')
  const peer = await upstream.accept()
  assert.match(await peer.until('\r\n\r\n'), /^CONNECT db:5432 HTTP\/1\.1\r\n/)
  peer.send('HTTP/1.1 200 OK\r\n\r\n')
  await client.until('\r\n\r\n')
  assert.ok((await peer.until('early')).endsWith('\r\n\r\nearly'))
  client.socket.end()
  peer.socket.end()
  await client.untilEnd()
  await proxy.recorded(1)
  assert.equal(proxy.http[0]?.status, 200)
})

test('a head that does not come in time is answered 408; a body too', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port], { manager: { requestTimeoutMs: 40, requestHeadersTimeoutMs: 20 } }))
  const slowHead = await connect(t, proxy.port)
  slowHead.send('GET / HTTP/1.1\r\nHo')
  assert.match(await slowHead.untilEnd(), /^HTTP\/1\.1 408 /)
  const slowBody = await connect(t, proxy.port)
  slowBody.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 5\r\n\r\nab')
  assert.match(await slowBody.untilEnd(), /^HTTP\/1\.1 408 /)
  assert.deepEqual(
    proxy.http.map((outcome) => outcome.flags),
    ['DT', 'DT'],
  )
})

test('nothing moves for too long: an idle connection ends quietly, a request with 408 SI, also by the route limit', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port], { manager: { idleTimeoutMs: 40, streamIdleTimeoutMs: 60 } }))
  assert.equal(await (await connect(t, proxy.port)).untilEnd(), '')
  const stuck = await connect(t, proxy.port)
  stuck.send(GET)
  assert.match(await stuck.untilEnd(), /^HTTP\/1\.1 408 /)
  assert.equal(proxy.http[0]?.flags, 'SI')
  const byRoute = await startProxy(t, simpleConfig([upstream.port], { action: { idleTimeoutMs: 30 } }))
  const other = await connect(t, byRoute.port)
  other.send(GET)
  assert.match(await other.untilEnd(), /^HTTP\/1\.1 408 /)
})

test('headers beyond the limits are answered 431', async (t) => {
  const proxy = await startProxy(t, simpleConfig([1]))
  for (const lines of [`X: ${'a'.repeat(61 * 1024)}\r\n`, 'X: y\r\n'.repeat(101)]) {
    const client = await connect(t, proxy.port)
    client.send(`GET / HTTP/1.1\r\nHost: h\r\n${lines}\r\n`)
    assert.match(await client.untilEnd(), /^HTTP\/1\.1 431 /)
  }
})
