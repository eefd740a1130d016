import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FakeControlPlane } from '../../../test/harness/fake-control-plane.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { fail, type Result } from '../../base/result.ts'
import type { MessageName } from '../../envoy/any.ts'
import type { Cluster, Listener } from '../../envoy/generated/messages.gen.ts'
import { proxyCodec } from '../../envoy/proxy-codec.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../envoy/type-urls.ts'
import { GrpcChannel } from '../grpc/channel.ts'
import { AdsClient } from './ads-client.ts'
import { AdsState, type ResourceReader } from './ads-state.ts'

const CLUSTER = 'envoy.config.cluster.v3.Cluster'
const ENDPOINT = 'envoy.config.endpoint.v3.ClusterLoadAssignment'
const LISTENER = 'envoy.config.listener.v3.Listener'

/** Clusters called 'bad' are refused; a cluster refers to its endpoints, a listener to the route configuration of its own name. */
const reader: ResourceReader<unknown> = {
  decode(typeUrl, name, bytes): Result<unknown> {
    if (name === 'bad') return fail('connect_timeout', 'must be above 0')
    return proxyCodec.decode(typeUrl.slice(typeUrl.indexOf('/') + 1) as MessageName, bytes, { onUnsupported: () => undefined }) // test's own types
  },
  references(typeUrl, value) {
    if (typeUrl === CLUSTER_TYPE) return [{ typeUrl: ENDPOINT_TYPE, name: (value as Cluster).name ?? '' }]
    if (typeUrl === LISTENER_TYPE) return [{ typeUrl: ROUTE_TYPE, name: (value as Listener).name ?? '' }]
    return []
  },
}

async function setUp(t: TestContext) {
  const controlPlane = new FakeControlPlane()
  await controlPlane.start()
  const state = new AdsState({ id: 'sidecar~1' }, [wildcard(CLUSTER_TYPE), wildcard(LISTENER_TYPE)], reader)
  const changes: (() => void)[] = []
  const { port } = controlPlane
  const clock = systemClock
  const channel = new GrpcChannel({
    host: '127.0.0.1',
    port,
    clock,
    credentials: () => undefined,
    connectTimeoutMs: 2000,
    maxMessageBytes: 1 << 24,
  })
  const client = new AdsClient({
    channel,
    state,
    codec: proxyCodec,
    clock,
    random: () => 0,
    log: silentLogger,
    onChange: () => changes.shift()?.(),
  })
  client.start()
  t.after(() => {
    client.stop()
    controlPlane.stop()
  })
  return { controlPlane, state, client, changed: () => new Promise<void>((resolve) => changes.push(resolve)) }
}

const wildcard = (typeUrl: string) => ({ typeUrl, wildcard: true, names: [] })
const versions = (state: AdsState<unknown>, typeUrl: string) =>
  Object.fromEntries([...state.held(typeUrl)].map(([name, { version }]) => [name, version]))

test('the first requests are wildcards, and only the first names the node', async (t) => {
  const { controlPlane } = await setUp(t)
  const clusters = await controlPlane.request()
  const listeners = await controlPlane.request()
  assert.deepEqual([clusters.typeUrl, clusters.node?.id, clusters.resourceNamesSubscribe ?? []], [CLUSTER_TYPE, 'sidecar~1', []])
  assert.deepEqual([listeners.typeUrl, listeners.node, listeners.resourceNamesSubscribe ?? []], [LISTENER_TYPE, undefined, []])
})

test('an accepted response is acknowledged by its nonce, and what it refers to is asked for', async (t) => {
  const { controlPlane, state, changed } = await setUp(t)
  await controlPlane.requestOf(LISTENER_TYPE)
  const change = changed()
  const nonce = controlPlane.send(CLUSTER, { a: ['1', { name: 'a' }], b: ['1', { name: 'b' }] })
  const ack = await controlPlane.request()
  assert.deepEqual([ack.typeUrl, ack.responseNonce, ack.errorDetail], [CLUSTER_TYPE, nonce, undefined])
  const endpoints = await controlPlane.request()
  assert.deepEqual([endpoints.typeUrl, endpoints.resourceNamesSubscribe], [ENDPOINT_TYPE, ['a', 'b']])
  await change
  assert.deepEqual(versions(state, CLUSTER_TYPE), { a: '1', b: '1' })
  assert.equal(state.isComplete, false)
})

test('all answered, removed names included, is complete', async (t) => {
  const { controlPlane, state } = await setUp(t)
  await controlPlane.requestOf(LISTENER_TYPE)
  controlPlane.send(CLUSTER, { a: ['1', { name: 'a' }], b: ['1', { name: 'b' }] })
  await controlPlane.requestOf(ENDPOINT_TYPE)
  controlPlane.send(ENDPOINT, { a: ['1', { clusterName: 'a' }] }, ['b'])
  await controlPlane.requestOf(ENDPOINT_TYPE)
  assert.equal(state.isComplete, false)
  controlPlane.send(LISTENER, {})
  await controlPlane.requestOf(LISTENER_TYPE)
  assert.equal(state.isComplete, true)
})

test('a resource that does not decode is refused by name and path, and the old one stays in force', async (t) => {
  const { controlPlane, state, client } = await setUp(t)
  await controlPlane.requestOf(LISTENER_TYPE)
  controlPlane.send(CLUSTER, { a: ['1', { name: 'a' }] })
  await controlPlane.requestOf(ENDPOINT_TYPE)
  const nonce = controlPlane.send(CLUSTER, { bad: ['2', { name: 'bad' }], a: ['2', { name: 'a' }] })
  const refusal = await controlPlane.request()
  assert.equal(refusal.responseNonce, nonce)
  assert.equal(refusal.errorDetail?.message, 'CDS bad: connect_timeout: must be above 0')
  assert.deepEqual(versions(state, CLUSTER_TYPE), { a: '2' })
  assert.equal(client.status.value.rejectedUpdates, 1)
})

test('a removed cluster goes, and its endpoints are no longer subscribed', async (t) => {
  const { controlPlane, state } = await setUp(t)
  await controlPlane.requestOf(LISTENER_TYPE)
  controlPlane.send(CLUSTER, { a: ['1', { name: 'a' }], b: ['1', { name: 'b' }] })
  await controlPlane.requestOf(ENDPOINT_TYPE)
  controlPlane.send(CLUSTER, {}, ['b'])
  const change = await controlPlane.requestOf(ENDPOINT_TYPE)
  assert.deepEqual(change.resourceNamesUnsubscribe, ['b'])
  assert.deepEqual(versions(state, CLUSTER_TYPE), { a: '1' })
})

test('after a reconnect the held versions are told, the node again, and the configuration outlives the gap', async (t) => {
  const { controlPlane, state, client } = await setUp(t)
  await controlPlane.requestOf(LISTENER_TYPE)
  controlPlane.send(CLUSTER, { a: ['7', { name: 'a' }] })
  await controlPlane.requestOf(ENDPOINT_TYPE)
  controlPlane.stop()
  await new Promise<void>((resolve) => client.status.watch(({ connected }) => (connected ? undefined : resolve())))
  assert.deepEqual(versions(state, CLUSTER_TYPE), { a: '7' })
  await controlPlane.start()
  const clusters = await controlPlane.request()
  assert.deepEqual(clusters.initialResourceVersions, { a: '7' })
  assert.equal(clusters.node?.id, 'sidecar~1')
  const endpoints = await controlPlane.request()
  assert.deepEqual([endpoints.typeUrl, endpoints.resourceNamesSubscribe], [ENDPOINT_TYPE, ['a']])
})

test('names asked for one by one need no wildcard', () => {
  const state = new AdsState({ id: 'n' }, [{ typeUrl: CLUSTER_TYPE, wildcard: false, names: [] }], reader)
  assert.deepEqual(state.connected(), [])
  const [request, ...more] = state.subscribe(CLUSTER_TYPE, ['a'])
  assert.deepEqual([request?.resourceNamesSubscribe, request?.node?.id, more.length], [['a'], 'n', 0])
  const { requests } = state.unsubscribe(CLUSTER_TYPE, ['a'])
  assert.deepEqual(requests[0]?.resourceNamesUnsubscribe, ['a'])
})
