import assert from 'node:assert/strict'
import { createServer } from 'node:net'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { type ApiServerOptions, type FakeApiServer, startApiServer } from './api-server.fixture.ts'
import { createKubeClient, type KubeClient } from './client.ts'
import type { KubeConnection } from './connection.ts'
import type { KubeFailure, KubeResult } from './failure.ts'
import { resourceOf } from './resource.ts'
import { until } from './until.fixture.ts'
import type { WatchEvent } from './watch-stream.ts'

const configMap = resourceOf('ConfigMap')
const place = { namespace: 'default', name: 'a' }
const draft = { metadata: place, data: { x: '1' } }

interface Scene {
  readonly api: FakeApiServer
  readonly clock: FakeClock
  readonly client: KubeClient
}

async function scene(t: TestContext, options: ApiServerOptions = {}, connection?: (api: FakeApiServer) => KubeConnection): Promise<Scene> {
  const api = await startApiServer(t, options)
  const clock = new FakeClock()
  const client = createKubeClient(connection?.(api) ?? api.connection, { clock, userAgent: 'lateen/test' })
  t.after(() => client.close())
  return { api, clock, client }
}

function failureIn(result: KubeResult<unknown>): KubeFailure {
  assert.equal(result.ok, false)
  return result.ok ? assert.fail() : result.failure
}

function valueIn<T>(result: KubeResult<T>): T {
  return result.ok ? result.value : assert.fail(result.failure.message)
}

test('objects are created, read, replaced, patched and deleted', async (t) => {
  const { client, api } = await scene(t)
  const created = valueIn(await client.create(configMap, draft, { fieldManager: 'lateen' }))
  assert.equal(created.kind, 'ConfigMap')
  const replaced = valueIn(await client.replace(configMap, { ...created, data: { x: '2' } }))
  assert.notEqual(replaced.metadata.resourceVersion, created.metadata.resourceVersion)
  valueIn(await client.patch(configMap, place, { type: 'merge', body: { data: { y: '3' } } }))
  valueIn(await client.patch(configMap, place, { type: 'json', body: [{ op: 'remove', path: '/data/x' }] }))
  assert.deepEqual(valueIn(await client.get(configMap, place)).data, { y: '3' })
  assert.equal(valueIn(await client.delete(configMap, place)), undefined)
  assert.equal(failureIn(await client.get(configMap, place)).reason, 'NotFound')
  assert.equal(api.requests[0]?.headers['user-agent'], 'lateen/test')
  assert.equal(api.requests[0]?.query.get('fieldManager'), 'lateen')
})

test('server-side apply creates, and tells whose field it would take', async (t) => {
  const { client } = await scene(t)
  const apply = (fieldManager: string, x: string, force = false) =>
    client.patch(configMap, place, { type: 'apply', fieldManager, force, body: { metadata: place, data: { x } } })
  assert.equal((await apply('one', '1')).ok, true)
  const refused = failureIn(await apply('two', '2'))
  assert.equal(refused.reason, 'Conflict')
  assert.match(refused.message, /conflict with "one": \/data\/x/)
  assert.deepEqual(valueIn(await apply('two', '2', true)).data, { x: '2' })
})

test('a failure says what was asked, where, why, and its reason is the one to decide by', async (t) => {
  const { client } = await scene(t)
  const missing = failureIn(await client.get(configMap, place))
  assert.deepEqual([missing.status, missing.reason], [404, 'NotFound'])
  assert.match(missing.message, /^get configmaps 'a' in namespace 'default': the API server answered 404 \(NotFound\): .*not found/)
  await client.create(configMap, draft)
  assert.equal(failureIn(await client.create(configMap, draft)).reason, 'AlreadyExists')
  const stale = { ...draft, metadata: { ...place, resourceVersion: '1' } }
  assert.equal(failureIn(await client.replace(configMap, stale)).reason, 'Conflict')
  assert.equal(failureIn(await client.delete(configMap, place, { uid: 'another' })).reason, 'Conflict')
})

test('the items of a list have a kind, page by page', async (t) => {
  const { client, api } = await scene(t)
  for (const name of ['a', 'b', 'c']) api.put('ConfigMap', { metadata: { name, namespace: 'default' } })
  const first = valueIn(await client.list(configMap, { namespace: 'default', limit: 2 }))
  assert.deepEqual(
    first.items.map(({ kind, apiVersion, metadata }) => [kind, apiVersion, metadata.name]),
    [
      ['ConfigMap', 'v1', 'a'],
      ['ConfigMap', 'v1', 'b'],
    ],
  )
  const second = valueIn(await client.list(configMap, { namespace: 'default', continueToken: first.continueToken }))
  assert.deepEqual(
    second.items.map(({ metadata }) => metadata.name),
    ['c'],
  )
  assert.equal(second.continueToken, undefined)
})

test('429 is waited out as long as the server asks, a bounded number of times', async (t) => {
  const { client, api, clock } = await scene(t)
  api.put('ConfigMap', draft)
  const busy = { status: 429, reason: 'TooManyRequests', headers: { 'retry-after': '2' } }
  api.interrupt(busy)
  const got = client.get(configMap, place)
  await until(() => {
    clock.advance(1)
    return api.requests.length === 2
  }, 'the second request')
  assert.ok(clock.monotonicMs() >= 2000, `${clock.monotonicMs()}`)
  assert.equal((await got).ok, true)

  for (let i = 0; i < 4; i++) api.interrupt({ ...busy, headers: { 'retry-after': '0' } })
  const given = client.get(configMap, place)
  let done = false
  const failure = given.then((result) => {
    done = true
    return failureIn(result)
  })
  await until(() => {
    // Only waits of no length are pending then: a request's own time-out is far away.
    clock.advance(0)
    return done
  }, 'the end of patience')
  assert.equal((await failure).reason, 'TooManyRequests')
  assert.equal((await failure).retryAfterMs, 0)
})

test('an answer that does not come is a time-out', async (t) => {
  const { client, api, clock } = await scene(t)
  api.interrupt({ hang: true })
  const got = client.get(configMap, place, { timeoutMs: 5000 })
  await api.requested(() => true)
  clock.advance(5000)
  assert.equal(failureIn(await got).reason, 'Timeout')
  assert.equal(clock.pendingTimers, 0)
})

test('a signal ends a request', async (t) => {
  const { client, api, clock } = await scene(t)
  api.interrupt({ hang: true })
  const abort = new AbortController()
  const got = client.get(configMap, place, { signal: abort.signal })
  await api.requested(() => true)
  abort.abort()
  assert.equal(failureIn(await got).reason, 'Aborted')
  assert.equal(clock.pendingTimers, 0)
})

test('a refused connection and a broken one are values', async (t) => {
  const { client, api } = await scene(t)
  api.interrupt({ cut: true })
  assert.equal(failureIn(await client.create(configMap, draft)).reason, 'Unreachable')
  await api.stop()
  const refused = failureIn(await client.get(configMap, place))
  assert.equal(refused.reason, 'Unreachable')
  assert.match(refused.message, /no answer from http:\/\/127\.0\.0\.1:\d+: .*ECONNREFUSED.*check that the API server runs/)
})

test('an answer that is too large, or no JSON, is a value', async (t) => {
  const { client, api } = await scene(t)
  api.interrupt({ status: 200, text: 'x'.repeat(9 * 1024 * 1024) })
  assert.equal(failureIn(await client.get(configMap, place)).reason, 'TooLarge')
  api.interrupt({ status: 200, text: '<html>a captive portal</html>' })
  assert.equal(failureIn(await client.get(configMap, place)).reason, 'Malformed')
  api.interrupt({ status: 200, text: '[]' })
  assert.equal(failureIn(await client.get(configMap, place)).reason, 'Malformed')
})

test('a token that was rotated is found after one refusal', async (t) => {
  let token = 'old'
  const { client, api } = await scene(t, { token: 'old' }, (server) => ({
    ...server.connection,
    credentials: (refused) => {
      if (refused) token = 'new'
      return Promise.resolve({ headers: { authorization: `Bearer ${token}` } })
    },
  }))
  assert.equal(failureIn(await client.get(configMap, place)).reason, 'NotFound')
  api.token = 'new'
  assert.equal(failureIn(await client.get(configMap, place)).reason, 'NotFound')
  api.token = 'newest'
  const refused = failureIn(await client.get(configMap, place))
  assert.equal(refused.reason, 'Unauthorized')
  assert.doesNotMatch(refused.message, /old|newest/)
})

test('credentials that cannot be had are a value, and a token never goes without TLS to another machine', async (t) => {
  const { client } = await scene(t, {}, (server) => ({
    ...server.connection,
    source: 'a broken plugin',
    credentials: () => Promise.reject(new Error('it failed')),
  }))
  const failure = failureIn(await client.get(configMap, place))
  assert.equal(failure.reason, 'Credentials')
  assert.match(failure.message, /no credentials from a broken plugin: it failed/)

  const plain = createKubeClient(
    {
      server: new URL('http://192.0.2.1:6443'),
      namespace: 'default',
      source: 'test',
      credentials: () => Promise.resolve({ headers: { authorization: 'Bearer secret' } }),
    },
    { clock: new FakeClock() },
  )
  const kept = failureIn(await plain.get(configMap, place))
  assert.equal(kept.reason, 'Credentials')
  assert.doesNotMatch(kept.message, /secret/)
})

test('a watch gives events, bookmarks and errors, also when lines come in pieces', async (t) => {
  const lines = [
    { type: 'ADDED', object: { metadata: { name: 'ä', resourceVersion: '2' } } },
    { type: 'BOOKMARK', object: { metadata: { resourceVersion: '5' } } },
    { type: 'ERROR', object: { kind: 'Status', code: 410, reason: 'Expired', message: 'too old' } },
  ]
  const body = Buffer.from(lines.map((line) => `${JSON.stringify(line)}\n`).join(''))
  const server = createServer((socket) => {
    socket.on('error', () => undefined)
    socket.once('data', () => {
      socket.setNoDelay(true)
      socket.write('HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n')
      for (const byte of body) socket.write(Buffer.of(byte))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' ? address?.port : 0
  const connection = { server: new URL(`http://127.0.0.1:${port}`), namespace: '', source: '', credentials: async () => ({ headers: {} }) }
  const client = createKubeClient(connection, { clock: new FakeClock() })
  t.after(() => client.close())
  const events: WatchEvent[] = []
  const end = await client.watch(configMap, { resourceVersion: '1', timeoutSeconds: 300, onEvents: (some) => events.push(...some) })
  assert.deepEqual(
    events.map(({ type }) => type),
    ['ADDED', 'BOOKMARK', 'ERROR'],
  )
  assert.equal(events[0]?.type === 'ADDED' && events[0].object.metadata.name, 'ä')
  assert.equal(end?.reason, 'Expired')
})

test('any path can be read: JSON or text', async (t) => {
  const { client, api } = await scene(t)
  assert.deepEqual(valueIn(await client.raw('/version')), { gitVersion: 'v1.34.0', major: '1', minor: '34' })
  api.interrupt({ status: 200, text: 'ok' })
  assert.equal(valueIn(await client.raw('/readyz')), 'ok')
})
