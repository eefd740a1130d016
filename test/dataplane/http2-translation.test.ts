// A message means the same on both sides of the proxy, whichever of HTTP/1.1 and HTTP/2 each side speaks.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { simpleConfig } from './configs.ts'
import { ask, connectHttp2, startHttp2Upstream } from './http2-peers.ts'
import { connect, type RawPeer, startProxy, startUpstream } from './peers.ts'

const UPSTREAM_HTTP2 = { cluster: { upstreamProtocol: 'http2' as const } }

/** Reads one whole request and answers it. */
function answering(answer: string, isWhole: (text: string) => boolean): (peer: RawPeer) => void {
  return (peer) => void peer.until(isWhole).then(() => peer.send(answer))
}

test('HTTP/2 to HTTP/1.1: crumbs joined, chunks for an unknown length, trailers both ways, no field of one hop', async (t) => {
  const upstream = await startUpstream(
    t,
    answering(
      'HTTP/1.1 200 OK\r\nConnection: close, x-hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX-Checksum: 7\r\n\r\n',
      (text) => text.includes('0\r\n'),
    ),
  )
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connectHttp2(t, proxy.port)
  const answer = await ask(client, { ':method': 'POST', ':authority': 'shop', cookie: ['a=1', 'b=2'], te: 'trailers' }, 'hello', {
    'x-end': 'yes',
  })

  const sent = upstream.connections[0]?.text ?? ''
  assert.match(sent, /^POST \/ HTTP\/1\.1\r\nhost: shop\r\n/)
  assert.match(sent, /\r\ncookie: a=1; b=2\r\n/)
  assert.match(sent, /\r\nte: trailers\r\n/)
  assert.match(sent, /\r\ntransfer-encoding: chunked\r\n/)
  assert.match(sent, /\r\n\r\n5\r\nhello\r\n0\r\nx-end: yes\r\n\r\n$/)
  assert.equal(answer.status, 200)
  assert.equal(answer.body.toString(), 'abc')
  assert.equal(answer.trailers?.['x-checksum'], '7')
  for (const name of ['connection', 'transfer-encoding']) assert.equal(answer.headers[name], undefined, name)
  assert.equal(proxy.http[0]?.protocol, 'HTTP/2')
})

test('HTTP/1.1 to HTTP/2: Host is the authority, chunks become DATA, trailers travel, the answer is chunked', async (t) => {
  const seen: Record<string, unknown>[] = []
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    let body = ''
    let trailers: unknown
    stream.on('trailers', (fields) => {
      trailers = fields
    })
    stream.on('data', (piece) => {
      body += piece
    })
    stream.on('end', () => {
      seen.push({ ...headers, body, trailers })
      stream.respond({ ':status': 201, 'x-answer': 'a' }, { waitForTrailers: true })
      stream.on('wantTrailers', () => stream.sendTrailers({ 'x-checksum': '9' }))
      stream.end('made')
    })
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port], UPSTREAM_HTTP2))
  const client = await connect(t, proxy.port)
  client.send('POST /p?q HTTP/1.1\r\nHost: shop\r\nConnection: keep-alive, x-hop\r\nX-Hop: 1\r\nTransfer-Encoding: chunked\r\n\r\n')
  client.send('3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-End: yes\r\n\r\n')
  const text = await client.until((received) => received.endsWith('\r\n\r\n') && received.includes('x-checksum'))

  const [request] = seen
  assert.equal(request?.[':method'], 'POST')
  assert.equal(request?.[':authority'], 'shop')
  assert.equal(request?.[':path'], '/p?q')
  assert.equal(request?.[':scheme'], 'http')
  assert.equal(request?.body, 'abcde')
  assert.equal(request?.['x-hop'], undefined)
  assert.equal((request?.trailers as Record<string, unknown> | undefined)?.['x-end'], 'yes')
  assert.match(text, /^HTTP\/1\.1 201 Created\r\n/)
  assert.match(text, /\r\ntransfer-encoding: chunked\r\n/)
  assert.match(text, /4\r\nmade\r\n0\r\nx-checksum: 9\r\n\r\n$/)
})

test('HTTP/2 on both sides: head, content and trailers arrive as they were sent', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    stream.respond({ ':status': 200, 'x-path': headers[':path'] ?? '' }, { waitForTrailers: true })
    stream.on('wantTrailers', () => stream.sendTrailers({ 'x-t': '1' }))
    stream.pipe(stream)
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port], UPSTREAM_HTTP2))
  const client = await connectHttp2(t, proxy.port)
  const body = Buffer.alloc(300_000, 'x')
  const answers = await Promise.all([1, 2, 3].map((n) => ask(client, { ':method': 'POST', ':path': `/${n}` }, body)))
  for (const [index, answer] of answers.entries()) {
    assert.equal(answer.headers['x-path'], `/${index + 1}`)
    assert.ok(answer.body.equals(body))
    assert.equal(answer.trailers?.['x-t'], '1')
  }
  assert.equal(upstream.sessions.length, 1, 'one connection carries all')
})

test('answers without content keep their meaning: HEAD, 204, 304, an empty 200', async (t) => {
  const upstream = await startHttp2Upstream(t, (stream, headers) => {
    const status = Number(String(headers[':path']).slice(1))
    const length = headers[':method'] === 'HEAD' ? { 'content-length': 12 } : {}
    stream.respond({ ':status': status, ...length }, { endStream: true })
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port], UPSTREAM_HTTP2))
  const client = await connect(t, proxy.port)
  for (const [request, expected] of [
    ['HEAD /200', /content-length: 12\r\n/],
    ['GET /204', /^HTTP\/1\.1 204 (?!.*content-length)/s],
    ['GET /304', /^HTTP\/1\.1 304 (?!.*content-length)/s],
    ['GET /200', /content-length: 0\r\n/],
  ] as const) {
    client.take()
    client.send(`${request} HTTP/1.1\r\nHost: h\r\n\r\n`)
    const text = await client.until('\r\n\r\n')
    assert.match(text, expected, request)
    assert.doesNotMatch(text, /chunked/, request)
  }
})

test('1xx pass through both ways, and HTTP/1.1 content without a length ends with the connection', async (t) => {
  const upstream = await startUpstream(t, (peer) => {
    void peer.until('\r\n\r\n').then(() => {
      peer.send('HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\nHTTP/1.1 200 OK\r\n\r\nuntil the end')
      peer.socket.end()
    })
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connectHttp2(t, proxy.port)
  const answer = await ask(client, {})
  assert.deepEqual(answer.interim, [103])
  assert.equal(answer.body.toString(), 'until the end')
})

test('a response that breaks off is reset, never ended', async (t) => {
  const upstream = await startUpstream(t, (peer) => {
    void peer.until('\r\n\r\n').then(() => {
      peer.send('HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc')
      peer.socket.end()
    })
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connectHttp2(t, proxy.port)
  await assert.rejects(ask(client, {}), /INTERNAL_ERROR|reset with 2/)
  assert.equal(proxy.http[0]?.flags, 'UPE')
})

test('the proxy answers HTTP/2 itself, and gRPC in gRPC', async (t) => {
  const proxy = await startProxy(t, simpleConfig([]))
  const client = await connectHttp2(t, proxy.port)
  const page = await ask(client, {})
  assert.equal(page.status, 503)
  assert.match(page.body.toString(), /no healthy endpoint/)
  const call = await ask(client, { ':method': 'POST', 'content-type': 'application/grpc' }, '')
  assert.equal(call.status, 200)
  assert.equal(call.headers['grpc-status'], '14')
  assert.equal(call.headers['content-type'], 'application/grpc')
  assert.equal(call.headers['content-length'], undefined)
  assert.equal(call.body.length, 0)
})
