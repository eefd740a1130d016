// The roots in namespaces: there when a namespace is, restored, renewed, paced, and never over somebody else's. Real HTTP to an API server.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { createLogger } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import { Watchable } from '../base/watchable.ts'
import { type FakeApiServer, type ReceivedRequest, startApiServer } from '../kube/api-server.fixture.ts'
import { createKubeClient } from '../kube/client.ts'
import { keepRootConfigMaps, type RootConfigMaps } from './root-config-maps.ts'

const NAME = 'lateen-ca-root-cert'

interface Setup {
  readonly server: FakeApiServer
  readonly clock: FakeClock
  readonly namespaces: Watchable<ReadonlySet<string>>
  readonly rootsPem: Watchable<string>
  readonly isLeader: Watchable<boolean>
  readonly maps: RootConfigMaps
  readonly lines: readonly string[]
}

async function setup(t: TestContext, names: readonly string[], before: (server: FakeApiServer) => void = () => undefined): Promise<Setup> {
  const server = await startApiServer(t)
  before(server)
  const clock = new FakeClock()
  const lines: string[] = []
  const log = createLogger({ level: 'warn', format: 'text', write: (line) => void lines.push(line), nowMs: () => clock.nowMs() })
  const client = createKubeClient(server.connection, { clock })
  const namespaces = new Watchable<ReadonlySet<string>>(new Set(names))
  const [rootsPem, isLeader] = [new Watchable('first\n'), new Watchable(true)]
  const maps = keepRootConfigMaps({ client, namespaces, rootsPem, isLeader, clock, random: seededRandom(1), log })
  t.after(async () => {
    await maps.stop()
    client.close()
  })
  return { server, clock, namespaces, rootsPem, isLeader, maps, lines }
}

async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    assert.ok(turns < 50_000, 'this never came to hold')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const rootsIn = ({ server }: Setup, namespace: string): unknown => {
  const data = server.get('ConfigMap', NAME, namespace)?.data
  return typeof data === 'object' && data !== null && 'root-cert.pem' in data ? data['root-cert.pem'] : undefined
}
const labelsIn = ({ server }: Setup, namespace: string): unknown => server.get('ConfigMap', NAME, namespace)?.metadata.labels
const isWrite = ({ method }: ReceivedRequest): boolean => method !== 'GET'

test('every namespace has the roots, but those that run no pods; a new one gets them when it comes', async (t) => {
  const made = await setup(t, ['shop', 'kube-system', 'kube-public', 'kube-node-lease'])
  await until(() => made.maps.isWritten('first\n'))
  assert.deepEqual(
    ['shop', 'kube-system', 'kube-public', 'kube-node-lease'].map((namespace) => rootsIn(made, namespace)),
    ['first\n', 'first\n', undefined, undefined],
  )
  made.namespaces.set(new Set(['shop', 'kube-system', 'new']))
  assert.equal(made.maps.isWritten('first\n'), false)
  await until(() => rootsIn(made, 'new') === 'first\n')
  assert.deepEqual(labelsIn(made, 'new'), { 'app.kubernetes.io/managed-by': 'lateen' })
  assert.equal(made.server.requests.filter(isWrite).length, 3)
})

test('one that is deleted or edited is restored, and what others added to it stays', async (t) => {
  const made = await setup(t, ['shop'])
  await until(() => made.maps.isWritten('first\n'))
  made.server.remove('ConfigMap', NAME, 'shop')
  await until(() => rootsIn(made, 'shop') === 'first\n')
  const labels = { 'app.kubernetes.io/managed-by': 'lateen', team: 'a' }
  made.server.put('ConfigMap', { metadata: { name: NAME, namespace: 'shop', labels }, data: { 'root-cert.pem': 'evil', other: 'x' } })
  await until(() => rootsIn(made, 'shop') === 'first\n')
  assert.deepEqual(made.server.get('ConfigMap', NAME, 'shop')?.data, { 'root-cert.pem': 'first\n', other: 'x' })
  assert.deepEqual(labelsIn(made, 'shop'), labels)
})

test('one of the same name that is not ours is named and left alone, until it is handed over', async (t) => {
  const theirs = { metadata: { name: NAME, namespace: 'shop' }, data: { 'root-cert.pem': 'theirs' } }
  const made = await setup(t, ['shop', 'other'], (server) => void server.put('ConfigMap', theirs))
  await until(() => rootsIn(made, 'other') === 'first\n' && made.maps.foreign.value.length === 1)
  assert.equal(rootsIn(made, 'shop'), 'theirs')
  assert.match(made.lines.join(''), /is not ours and is left alone.*namespace=shop/)
  assert.ok(made.server.requests.filter(isWrite).every(({ path }) => path.includes('/other/')))
  made.server.put('ConfigMap', { ...theirs, metadata: { ...theirs.metadata, labels: { 'app.kubernetes.io/managed-by': 'lateen' } } })
  await until(() => rootsIn(made, 'shop') === 'first\n')
  assert.deepEqual(made.maps.foreign.value, [])
})

test('a change of the roots reaches every namespace, and is not called written before', async (t) => {
  const made = await setup(t, ['a', 'b'])
  await until(() => made.maps.isWritten('first\n'))
  made.rootsPem.set('first\nsecond\n')
  assert.equal(made.maps.isWritten('first\nsecond\n'), false)
  await until(() => made.maps.isWritten('first\nsecond\n'))
  assert.deepEqual([rootsIn(made, 'a'), rootsIn(made, 'b')], ['first\nsecond\n', 'first\nsecond\n'])
})

test('who does not lead writes nothing, and begins when he does', async (t) => {
  const made = await setup(t, ['shop'])
  made.isLeader.set(false)
  await made.server.watching('ConfigMap')
  assert.equal(made.server.requests.filter(isWrite).length, 0)
  made.isLeader.set(true)
  await until(() => rootsIn(made, 'shop') === 'first\n')
})

test('many namespaces are written at a hundred a second, not at once', async (t) => {
  const names = Array.from({ length: 300 }, (_, index) => `n${index}`)
  const made = await setup(t, names)
  await until(() => made.server.requests.filter(isWrite).length === 50)
  await made.server.watching('ConfigMap')
  made.clock.advance(1_000)
  await until(() => made.server.requests.filter(isWrite).length > 50)
  assert.ok(made.server.requests.filter(isWrite).length <= 150)
  await until(() => {
    made.clock.advance(10)
    return made.maps.isWritten('first\n')
  })
  assert.equal(made.server.requests.filter(isWrite).length, 300)
})

test('a write that fails is tried again, later and later; a namespace that is going is nobody’s trouble', async (t) => {
  const made = await setup(t, ['shop'], (server) => {
    server.interrupt({ status: 500, message: 'etcd is slow' }, isWrite)
    server.interrupt({ status: 403, reason: 'Forbidden', message: 'unable to create: the namespace is being terminated' }, isWrite)
  })
  await until(() => made.lines.length === 1)
  assert.match(made.lines[0] ?? '', /could not be written.*etcd is slow/)
  await until(() => {
    made.clock.advance(100)
    return made.maps.isWritten('first\n')
  })
  assert.equal(made.lines.length, 1)
  assert.ok(made.clock.monotonicMs() >= 6_000)
})
