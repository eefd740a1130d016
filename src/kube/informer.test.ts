import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { seededRandom } from '../base/random.ts'
import { type ApiServerOptions, type FakeApiServer, type ReceivedRequest, startApiServer } from './api-server.fixture.ts'
import { createKubeClient } from './client.ts'
import { type Informer, type InformerChange, type InformerOptions, startInformer } from './informer.ts'
import type { KubeObject } from './object.ts'
import { resourceOf } from './resource.ts'
import { until } from './until.fixture.ts'

interface Scene {
  readonly api: FakeApiServer
  readonly clock: FakeClock
  readonly requests: FakeClock
  /** Starts an informer of ConfigMaps that keeps `data`. */
  follow(options?: Partial<InformerOptions<unknown>>): { readonly informer: Informer<unknown>; readonly changes: InformerChange[] }
}

async function scene(t: TestContext, options: ApiServerOptions = {}): Promise<Scene> {
  const api = await startApiServer(t, options)
  const clock = new FakeClock()
  // Two clocks, so that the only timer of `clock` is the informer's wait; requests and watches have theirs on the other.
  const requests = new FakeClock()
  const client = createKubeClient(api.connection, { clock: requests })
  t.after(() => client.close())
  return {
    api,
    clock,
    requests,
    follow: (given = {}) => {
      const informer = startInformer<unknown>({
        client,
        resource: resourceOf('ConfigMap'),
        clock,
        random: seededRandom(7),
        reduce: ({ data }: KubeObject) => data,
        ...given,
      })
      t.after(() => informer.stop())
      const changes: InformerChange[] = []
      informer.watch((change) => changes.push(change))
      return { informer, changes }
    },
  }
}

function configMap(name: string, data: Readonly<Record<string, string>>, namespace = 'default', more: object = {}) {
  return { metadata: { name, namespace, ...more }, data }
}

const isList = ({ method, query }: ReceivedRequest): boolean => method === 'GET' && query.get('watch') === null
const isWatch = ({ query }: ReceivedRequest): boolean => query.get('watch') === 'true'

test('what is there is listed, and what changes afterwards is followed', async (t) => {
  const { api, follow } = await scene(t)
  api.put('ConfigMap', configMap('a', { x: '1' }))
  const { informer, changes } = follow()
  await informer.synced
  assert.deepEqual(informer.current.get('default/a'), { x: '1' })

  await api.watching('ConfigMap')
  api.put('ConfigMap', configMap('b', { x: '2' }))
  api.put('ConfigMap', configMap('a', { x: '3' }))
  api.remove('ConfigMap', 'b', 'default')
  await until(() => informer.current.size === 1 && changes.length > 1, 'three events')

  assert.deepEqual([...informer.current], [['default/a', { x: '3' }]])
  assert.deepEqual(changes.at(-1)?.removed, ['default/b'])
  assert.equal(informer.health.connected, true)
})

test('a list comes in pages of 500, and every page is one announcement', async (t) => {
  const { api, follow } = await scene(t)
  for (let i = 0; i < 1200; i++) api.put('ConfigMap', configMap(`c${i}`, { i: String(i) }))
  const { informer, changes } = follow()
  await informer.synced

  assert.equal(informer.current.size, 1200)
  assert.deepEqual(
    api.requests.filter(isList).map(({ query }) => query.get('limit')),
    ['500', '500', '500'],
  )
  assert.deepEqual(
    changes.map(({ changed }) => changed.length),
    [500, 500, 200],
  )
})

test('pages that grow too old while they are read start the list again', async (t) => {
  const { api, clock, follow } = await scene(t)
  for (let i = 0; i < 600; i++) api.put('ConfigMap', configMap(`c${i}`, {}))
  api.interrupt({ status: 410, reason: 'Expired' }, ({ query }) => query.get('continue') !== null)
  const { informer } = follow()
  await until(() => clock.pendingTimers === 1, 'the refused page')
  clock.advance(1000)
  await informer.synced
  assert.equal(informer.current.size, 600)
  assert.equal(api.requests.filter(isList).length, 4)
})

test('objects that are larger than usual come in smaller pages', async (t) => {
  const { api, follow } = await scene(t)
  const large = 'x'.repeat(100_000)
  for (let i = 0; i < 400; i++) api.put('ConfigMap', configMap(`c${i}`, { large }))
  const { informer } = follow({ reduce: ({ metadata }) => metadata.name })
  await informer.synced
  assert.equal(informer.current.size, 400)
  const limits = api.requests.filter(isList).map(({ query }) => Number(query.get('limit')))
  assert.deepEqual(limits.slice(0, 2), [500, 125]) // 40 MB are refused, 12 MB taken
  assert.ok(
    limits.slice(2).every((limit) => limit <= 42),
    `${limits}`,
  )
})

test('a change that is not kept is not announced', async (t) => {
  const { api, follow } = await scene(t)
  api.put('ConfigMap', configMap('a', { x: '1' }))
  const { informer, changes } = follow()
  await informer.synced
  await api.watching('ConfigMap')
  api.put('ConfigMap', configMap('a', { x: '1' }, 'default', { annotations: { noise: 'yes' } }))
  await until(() => informer.health.events === 1, 'the event')
  assert.equal(informer.health.unchanged, 1)
  assert.equal(changes.length, 1)
})

test('an object that reduce no longer keeps is removed', async (t) => {
  const { api, follow } = await scene(t)
  api.put('ConfigMap', configMap('a', { x: '1' }))
  const { informer, changes } = follow({ reduce: ({ data, metadata }) => (metadata.labels?.hidden === undefined ? data : undefined) })
  await informer.synced
  await api.watching('ConfigMap')
  api.put('ConfigMap', configMap('a', { x: '1' }, 'default', { labels: { hidden: 'yes' } }))
  await until(() => informer.current.size === 0, 'the removal')
  assert.deepEqual(changes.at(-1), { changed: [], removed: ['default/a'] })
})

test('a reduce that throws costs one object its news and nothing else', async (t) => {
  const { api, follow } = await scene(t)
  api.put('ConfigMap', configMap('bad', {}))
  api.put('ConfigMap', configMap('good', {}))
  const { informer } = follow({
    reduce: ({ metadata }) => {
      if (metadata.name === 'bad') throw new Error('cannot read it')
      return metadata.name
    },
  })
  await informer.synced
  assert.deepEqual([...informer.current.keys()], ['default/good'])
  assert.match(informer.health.lastFailure?.message ?? '', /configmaps 'bad' in namespace 'default': cannot read it/)
})

test('a version that is gone means a new list, which finds what was deleted meanwhile', async (t) => {
  const { api, follow, clock } = await scene(t)
  api.put('ConfigMap', configMap('a', { x: '1' }))
  api.put('ConfigMap', configMap('b', { x: '1' }))
  const { informer, changes } = follow()
  await informer.synced
  await until(() => informer.health.connected, 'the watch')

  await api.stop()
  api.remove('ConfigMap', 'a', 'default')
  api.put('ConfigMap', configMap('c', { x: '1' }))
  api.compact()
  await until(() => !informer.health.connected, 'the broken watch')
  assert.equal(informer.current.size, 2, 'the last good stays while the server is away')
  await api.start()
  await until(() => clock.pendingTimers === 1, 'the wait before the next try')
  clock.advance(60_000)
  await until(() => informer.current.has('default/c') && !informer.current.has('default/a'), 'the new list')

  assert.equal(informer.health.lists, 2)
  assert.deepEqual(changes.slice(1), [
    { changed: ['default/c'], removed: [] },
    { changed: [], removed: ['default/a'] },
  ])
})

test('a watch that ends goes on from the last bookmark, without a list', async (t) => {
  const { api, follow, clock, requests } = await scene(t)
  const { informer } = follow()
  await informer.synced
  await api.watching('ConfigMap')
  api.put('Secret', { metadata: { name: 'elsewhere', namespace: 'default' } })
  api.bookmark()
  await until(() => informer.health.events === 1, 'the bookmark')
  api.compact() // versions before the bookmark's are gone
  api.endWatches()
  await api.requested(isWatch, 2)
  await api.watching('ConfigMap')
  api.put('ConfigMap', configMap('a', {}))
  await until(() => informer.current.size === 1, 'the object')

  const [first, second] = api.requests.filter(isWatch).map(({ query }) => query)
  assert.equal(first?.get('allowWatchBookmarks'), 'true')
  assert.equal(second?.get('resourceVersion'), String(api.store.compactedTo))
  assert.equal(api.requests.filter(isList).length, 1)
  assert.deepEqual([clock.pendingTimers, requests.pendingTimers], [0, 1], 'only the watch itself has a timer')
})

test('a watch asks for 5 to 10 minutes', async (t) => {
  const { api, follow } = await scene(t)
  for (let i = 0; i < 4; i++) follow({ random: seededRandom(i) })
  await api.watching('ConfigMap', 4)
  const seconds = api.requests.filter(isWatch).map(({ query }) => Number(query.get('timeoutSeconds')))
  assert.ok(
    seconds.every((each) => each >= 300 && each <= 600),
    `${seconds}`,
  )
  assert.equal(new Set(seconds).size, 4)
})

test('a stream that does not end when it should is given up', async (t) => {
  const { api, follow, clock, requests } = await scene(t)
  const { informer } = follow()
  await until(() => informer.health.connected, 'the open watch')
  requests.advance(616_000)
  await until(() => clock.pendingTimers === 1, 'the end')
  assert.equal(informer.health.lastFailure?.reason, 'Timeout')
  clock.advance(1000)
  await api.requested(isWatch, 2)
})

test('an ERROR event of 410 inside the stream means a new list', async (t) => {
  const { api, follow } = await scene(t)
  const { informer } = follow()
  await api.watching('ConfigMap')
  api.endWatches({ code: 410, reason: 'Expired' })
  await until(() => informer.health.lists === 2, 'the second list')
})

test('a server that is not there is asked again, less and less often, and the informer comes up with it', async (t) => {
  const { api, follow, clock } = await scene(t)
  api.put('ConfigMap', configMap('a', {}))
  await api.stop()
  const { informer } = follow()
  const waits: number[] = []
  for (let failures = 1; failures <= 6; failures++) {
    await until(() => informer.health.failures === failures && clock.pendingTimers === 1, 'the refused connection')
    const from = clock.monotonicMs()
    while (clock.pendingTimers === 1) clock.advance(50)
    waits.push(clock.monotonicMs() - from)
  }
  assert.ok((waits[5] ?? 0) > 8 * (waits[0] ?? 0), `${waits}`)
  assert.equal(informer.health.lastFailure?.reason, 'Unreachable')
  await until(() => informer.health.failures === 7 && clock.pendingTimers === 1, 'the last refusal')
  await api.start()
  clock.advance(30_000)
  await informer.synced
  assert.equal(informer.current.size, 1)
})

test('a namespaced informer asks in its namespaces only', async (t) => {
  const { api, follow } = await scene(t)
  for (const namespace of ['one', 'two', 'three']) api.put('ConfigMap', configMap('a', {}, namespace))
  const { informer } = follow({ namespaces: ['one', 'two'] })
  await informer.synced
  assert.deepEqual([...informer.current.keys()].sort(), ['one/a', 'two/a'])
  await api.watching('ConfigMap', 2)
  assert.ok(api.requests.every(({ path }) => /^\/api\/v1\/namespaces\/(?:one|two)\/configmaps$/.test(path)))
  api.endWatches({ code: 410, reason: 'Expired' })
  await until(() => informer.health.lists === 4, 'both lists again')
  assert.equal(informer.current.size, 2, 'a list of one namespace removes nothing of another')
})

test('selectors reach the server, and what leaves the selection is removed', async (t) => {
  const { api, follow } = await scene(t)
  api.put('ConfigMap', configMap('a', {}, 'default', { labels: { app: 'web' } }))
  api.put('ConfigMap', configMap('b', {}, 'default', { labels: { app: 'db' } }))
  const { informer } = follow({ labelSelector: 'app=web', fieldSelector: 'metadata.namespace!=kube-system' })
  await informer.synced
  assert.deepEqual([...informer.current.keys()], ['default/a'])
  await api.watching('ConfigMap')
  api.put('ConfigMap', configMap('a', {}, 'default', { labels: { app: 'db' } }))
  await until(() => informer.current.size === 0, 'the removal')
})

test('a kind that is not served counts as empty where that is allowed, and is found when it comes', async (t) => {
  const { api, follow, clock } = await scene(t)
  api.put('Telemetry', { metadata: { name: 'a', namespace: 'default' }, spec: {} })
  api.unserve('Telemetry')
  const { informer } = follow({ resource: resourceOf('Telemetry'), absentIsEmpty: true, reduce: ({ spec }) => spec })
  await informer.synced
  assert.equal(informer.current.size, 0)
  api.serve('Telemetry')
  await until(() => clock.pendingTimers === 1, 'the wait')
  clock.advance(30_000)
  await until(() => informer.current.size === 1, 'the object')
})

test('a stopped informer leaves no timer and no watch', async (t) => {
  const { api, follow, clock, requests } = await scene(t)
  const { informer } = follow()
  await api.watching('ConfigMap')
  await informer.stop()
  await until(() => api.openWatches('ConfigMap') === 0, 'the closed watch')
  assert.deepEqual([clock.pendingTimers, requests.pendingTimers], [0, 0])
})
