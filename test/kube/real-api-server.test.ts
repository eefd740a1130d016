// Our client against a real API server: what the fake one of src/kube claims to be like. Everything is in a namespace of its own.
// LATEEN_TEST_RESTART_API names a program that kills the API server, which comes back by itself: for the test that must survive that.
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { promisify } from 'node:util'
import { systemClock } from '../../src/base/clock.ts'
import { systemRandom } from '../../src/base/random.ts'
import { createKubeClient, type KubeClient } from '../../src/kube/client.ts'
import { createEventRecorder } from '../../src/kube/events.ts'
import { startInformer } from '../../src/kube/informer.ts'
import { startElection } from '../../src/kube/lease.ts'
import { loadConnection } from '../../src/kube/load-connection.ts'
import type { KubeObject } from '../../src/kube/object.ts'
import { resourceOf } from '../../src/kube/resource.ts'
import { reviewOwnAccess, reviewToken } from '../../src/kube/reviews.ts'
import { createStatusWriter } from '../../src/kube/status-writer.ts'
import { waitFor } from '../harness/wait.ts'

const kubeconfig = process.env.LATEEN_TEST_KUBECONFIG
const restart = process.env.LATEEN_TEST_RESTART_API
const skip = kubeconfig === undefined ? 'needs an API server: set LATEEN_TEST_KUBECONFIG to a kubeconfig of a cluster for tests' : false
const skipRestart = skip || (restart === undefined ? 'needs a cluster whose API server may be killed: set LATEEN_TEST_RESTART_API' : false)

const configMap = resourceOf('ConfigMap')
const labels = { 'lateen-test': 'yes' }
const timing = { clock: systemClock, random: systemRandom }

async function connect(t: TestContext): Promise<{ readonly client: KubeClient; readonly namespace: string }> {
  const connection = await loadConnection({ clock: systemClock, env: {}, kubeconfig })
  assert.ok(connection.ok)
  const client = createKubeClient(connection.value, { clock: systemClock, userAgent: 'lateen-test' })
  const namespace = `test-kube-${randomBytes(4).toString('hex')}`
  const made = await client.create(resourceOf('Namespace'), { metadata: { name: namespace } })
  assert.ok(made.ok)
  t.after(async () => {
    await client.delete(resourceOf('Namespace'), { name: namespace })
    client.close()
  })
  return { client, namespace }
}

function follow(t: TestContext, client: KubeClient, namespace: string) {
  const informer = startInformer({
    client,
    ...timing,
    resource: configMap,
    namespaces: [namespace],
    // Others write ConfigMaps into every namespace.
    labelSelector: 'lateen-test=yes',
    reduce: ({ data }: KubeObject) => data ?? {},
  })
  t.after(() => informer.stop())
  return informer
}

test('every verb, its conflicts, and an informer that sees it all', { skip }, async (t) => {
  const { client, namespace } = await connect(t)
  const informer = follow(t, client, namespace)
  await informer.synced
  const place = { namespace, name: 'a' }
  const created = await client.create(configMap, { metadata: { ...place, labels }, data: { x: '1' } })
  assert.ok(created.ok)
  assert.equal((await client.create(configMap, { metadata: place })).ok, false)
  await waitFor(() => informer.current.has(`${namespace}/a`), { what: 'the object in the informer' })

  const applied = await client.patch(configMap, place, { type: 'apply', fieldManager: 'test', body: { metadata: {}, data: { x: '2' } } })
  assert.equal(!applied.ok && applied.failure.reason, 'Conflict')
  const patched = await client.patch(configMap, place, { type: 'json', body: [{ op: 'replace', path: '/data/x', value: '3' }] })
  assert.ok(patched.ok)
  const stale = await client.replace(configMap, { ...created.value, data: { x: '4' } })
  assert.equal(!stale.ok && stale.failure.reason, 'Conflict')
  const old = await client.delete(configMap, place, { uid: 'another' })
  assert.equal(!old.ok && old.failure.reason, 'Conflict')
  const invalid = await client.create(configMap, { metadata: { namespace, name: 'NOT A NAME' } })
  assert.equal(!invalid.ok && invalid.failure.reason, 'Invalid')
  await waitFor(() => JSON.stringify(informer.current.get(`${namespace}/a`)) === '{"x":"3"}', { what: 'the change' })
  assert.ok((await client.delete(configMap, place)).ok)
  await waitFor(() => informer.current.size === 0, { what: 'the removal' })
})

test('pages, and a version that is too old', { skip }, async (t) => {
  const { client, namespace } = await connect(t)
  await Promise.all(Array.from({ length: 7 }, (_, i) => client.create(configMap, { metadata: { namespace, name: `c${i}` } })))
  const first = await client.list(configMap, { namespace, limit: 3 })
  assert.ok(first.ok && first.value.items.length === 3 && first.value.continueToken !== undefined)
  const forged = await client.list(configMap, { namespace, limit: 3, continueToken: 'forged' })
  assert.equal(!forged.ok && forged.failure.status, 400)
  const end = await client.watch(configMap, { namespace, resourceVersion: '1', timeoutSeconds: 5, onEvents: () => undefined })
  assert.ok(end === undefined || end.status === 410, end?.message)
})

test('reviews: a pod token of a service account, and our own rights', { skip }, async (t) => {
  const { client, namespace } = await connect(t)
  await client.create(resourceOf('ServiceAccount'), { metadata: { namespace, name: 'web' } })
  const made = await client.createToken({ namespace, name: 'web' }, { audiences: ['lateen-ca'], expirationSeconds: 600 })
  assert.ok(made.ok)
  const good = await reviewToken(client, made.value, ['lateen-ca'])
  assert.equal(good.ok && good.value.authenticated && good.value.username, `system:serviceaccount:${namespace}:web`)
  const wrong = await reviewToken(client, made.value, ['another'])
  assert.equal(wrong.ok && wrong.value.authenticated, false)
  const may = await reviewOwnAccess(client, { verb: 'list', group: '', resource: 'pods' })
  assert.equal(may.ok && may.value.allowed, true)
})

test('a lease is held and given back; an Event is written once, with a count', { skip }, async (t) => {
  const { client, namespace } = await connect(t)
  const election = startElection({ client, ...timing, namespace, name: 'leader', identity: 'one' })
  await waitFor(() => election.isLeader(), { what: 'the leader' })
  const other = startElection({ client, ...timing, namespace, name: 'leader', identity: 'two' })
  await waitFor(() => other.holder.value === 'one', { what: 'the other looked' })
  await election.stop()
  await waitFor(() => other.isLeader(), { what: 'the next leader' })
  assert.equal(other.term.value?.number, 2)
  await other.stop()

  const recorder = createEventRecorder({ client, ...timing, controller: 'lateen.dev/test', instance: 'test' })
  t.after(() => recorder.stop())
  const regarding = { apiVersion: 'v1', kind: 'ConfigMap', namespace, name: 'a' }
  for (let i = 0; i < 3; i++) {
    recorder.record({ regarding, type: 'Warning', reason: 'Test', action: 'Test', message: 'seen by people' })
    await recorder.idle()
  }
  assert.equal(recorder.counts.failed, 0)
  const events = await client.list(resourceOf('Event'), { namespace, fieldSelector: 'reason=Test' })
  assert.equal(events.ok && events.value.items.length, 1)
})

test('conditions are written to a mesh object whose CRD is installed', { skip }, async (t) => {
  const { client, namespace } = await connect(t)
  const resource = resourceOf('VirtualService')
  const spec = { hosts: ['reviews'], http: [{ route: [{ destination: { host: 'reviews' } }] }] }
  const made = await client.create(resource, { metadata: { namespace, name: 'a' }, spec })
  if (!made.ok && made.failure.reason === 'NotFound') return t.skip('the CRDs of the mesh are not installed here')
  assert.ok(made.ok)
  const writer = createStatusWriter({ client, ...timing })
  t.after(() => writer.stop())
  const condition = { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'in force' } as const
  writer.set({ resource, namespace, name: 'a', uid: made.value.metadata.uid }, { conditions: [condition] })
  await writer.idle()
  assert.deepEqual([writer.counts.written, writer.counts.failed], [1, 0])
  assert.ok((await client.delete(resource, { namespace, name: 'a' })).ok)
  assert.ok((await client.create(resource, { metadata: { namespace, name: 'a' }, spec })).ok)
  const seen = { resourceVersion: made.value.metadata.resourceVersion ?? '', status: undefined }
  writer.set({ resource, namespace, name: 'a', uid: made.value.metadata.uid }, { conditions: [condition] }, seen)
  await writer.idle()
  assert.equal(writer.counts.gone, 1, 'the version is a precondition, and the new object is left alone')
})

test('an API server that is killed and comes back costs nothing but time', { skip: skipRestart }, async (t) => {
  const { client, namespace } = await connect(t)
  const informer = follow(t, client, namespace)
  await informer.synced
  await waitFor(() => informer.health.connected, { what: 'the watch' })
  assert.ok((await client.create(configMap, { metadata: { namespace, name: 'before', labels } })).ok)
  await waitFor(() => informer.current.size === 1, { what: 'the first object' })

  await promisify(execFile)('sh', ['-c', restart ?? ''])
  const create = async (): Promise<boolean> => (await client.create(configMap, { metadata: { namespace, name: 'after', labels } })).ok
  await waitFor(create, { what: 'the API server', timeoutMs: 60_000 })
  await waitFor(() => informer.current.size === 2 && informer.health.connected, { what: 'the second object', timeoutMs: 60_000 })
  assert.ok(informer.health.failures > 0)
})
