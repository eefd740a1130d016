// What RFC 9112, and RFC 9110 where a proxy can break it, demand of a connection in use: one fact per test, its section in the name.
// What is about single octets is in test/smuggling; README.md says which test answers for which section.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { simpleConfig } from '../dataplane/configs.ts'
import { always, connect, GET, OK, type RawPeer, requestsOf, startProxy, startUpstream } from '../dataplane/peers.ts'

/** One request to an application that always answers the same; what each of the two saw. */
async function exchange(
  t: TestContext,
  request: string,
  response: string,
  acceptHttp10 = false,
): Promise<{ client: RawPeer; seen: string; answer: string }> {
  const upstream = await startUpstream(t, always(response))
  const proxy = await startProxy(t, simpleConfig([upstream.port], { manager: { acceptHttp10 } }))
  const client = await connect(t, proxy.port)
  client.send(request)
  const answer = await client.until((text) => /\r\n\r\n(?:ok)?$/.test(text))
  return { client, answer, seen: requestsOf(await upstream.accept())[0] ?? '' }
}

test('RFC 9112 2.3: what goes on says the version of this proxy, not of the client', async (t) => {
  const { seen } = await exchange(t, 'GET / HTTP/1.0\r\nHost: h\r\nConnection: keep-alive\r\n\r\n', OK, true)
  assert.match(seen, /^GET \/ HTTP\/1\.1\r\n/)
})

test('RFC 9112 3.2.2: the authority of an absolute target replaces Host', async (t) => {
  const { seen } = await exchange(t, 'GET http://target:81/x HTTP/1.1\r\nHost: other\r\n\r\n', OK)
  assert.match(seen, /^GET \/x HTTP\/1\.1\r\nhost: target:81\r\n/i)
  assert.doesNotMatch(seen, /other/)
})

test('RFC 9112 9.6: Connection: close of the client ends its connection behind the answer, and the answer says so', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send('GET / HTTP/1.1\r\nHost: h\r\nConnection: close\r\n\r\n')
  assert.match(await client.untilEnd(), /\r\nconnection: close\r\n\r\nok$/)
})

test('RFC 9112 9.6: Connection: close of the application is not told to the client, whose connection goes on', async (t) => {
  const { client, answer } = await exchange(t, GET, 'HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok')
  assert.doesNotMatch(answer, /connection:/i)
  client.take()
  client.send(GET)
  await client.until('\r\n\r\nok')
})

test('RFC 9112 9.6: a connection that the application announced to close is not used again', async (t) => {
  const upstream = await startUpstream(t, always('HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nok'))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  for (let round = 0; round < 2; round++) {
    client.send(GET)
    await client.until('\r\n\r\nok')
    client.take()
  }
  assert.equal(upstream.connections.length, 2)
})

test('RFC 9112 9.3: an answer before the request is whole leaves no connection that is used again', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send('POST / HTTP/1.1\r\nHost: h\r\nContent-Length: 50\r\n\r\nhalf')
  const first = await upstream.accept()
  await first.until('half')
  first.send('HTTP/1.1 403 Forbidden\r\nContent-Length: 2\r\n\r\nok')
  await client.until('\r\n\r\nok')
  const other = await connect(t, proxy.port)
  other.send(GET)
  const second = await upstream.accept()
  assert.notEqual(first, second)
  await second.until('GET / ')
})

test('RFC 9112 6.3: a request without a length has no body, and the next begins behind its head', async (t) => {
  const upstream = await startUpstream(t, always(OK))
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(`POST / HTTP/1.1\r\nHost: h\r\n\r\n${GET}`)
  await client.until((text) => text.split('\r\n\r\nok').length === 3)
  assert.match(requestsOf(await upstream.accept())[0] ?? '', /\r\ncontent-length: 0\r\n/)
})

test('RFC 9110 7.6.1: fields that Connection names end here, and so does Connection', async (t) => {
  const { seen } = await exchange(t, 'GET / HTTP/1.1\r\nHost: h\r\nConnection: x-foo, keep-alive\r\nX-Foo: 1\r\nX-Bar: 2\r\n\r\n', OK)
  assert.doesNotMatch(seen, /x-foo|connection/i)
  assert.match(seen, /X-Bar: 2/)
})

test('RFC 9110 7.6.1: the same for answers', async (t) => {
  const { answer } = await exchange(t, GET, 'HTTP/1.1 200 OK\r\nConnection: x-foo\r\nX-Foo: 1\r\nX-Bar: 2\r\nContent-Length: 2\r\n\r\nok')
  assert.doesNotMatch(answer, /x-foo/i)
  assert.match(answer, /X-Bar: 2/)
})

test('RFC 9110 7.8: an offer of h2c is dropped with the fields that belong to it', async (t) => {
  const request = 'GET / HTTP/1.1\r\nHost: h\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\r\n'
  const { seen } = await exchange(t, request, OK)
  assert.doesNotMatch(seen, /upgrade|settings|connection/i)
})

test('RFC 9110 10.1.4: TE is of this hop, also on a second line; only trailers may go on', async (t) => {
  const { seen } = await exchange(t, 'GET / HTTP/1.1\r\nHost: h\r\nTE: trailers\r\nTE: gzip\r\n\r\n', OK)
  assert.deepEqual(seen.match(/\bte:.*/gi), ['te: trailers'])
  const { seen: other } = await exchange(t, 'GET / HTTP/1.1\r\nHost: h\r\nTE: deflate\r\nTE: gzip\r\n\r\n', OK)
  assert.doesNotMatch(other, /\bte:/i)
})

test('RFC 9110 15.2: interim answers are not for clients of HTTP/1.0', async (t) => {
  const { answer } = await exchange(t, 'GET / HTTP/1.0\r\nHost: h\r\n\r\n', `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${OK}`, true)
  assert.match(answer, /^HTTP\/1\.0 200/)
})

test('RFC 9110 8.6: 204 says no length', async (t) => {
  const { answer } = await exchange(t, GET, 'HTTP/1.1 204 No Content\r\nContent-Length: 0\r\n\r\n')
  assert.doesNotMatch(answer, /content-length/i)
})

test('RFC 9110 9.3.2: the answer to HEAD says the length of GET and has no body', async (t) => {
  const { answer } = await exchange(t, 'HEAD / HTTP/1.1\r\nHost: h\r\n\r\n', 'HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n')
  assert.match(answer, /Content-Length: 1000\r\n[\s\S]*\r\n\r\n$/)
})
