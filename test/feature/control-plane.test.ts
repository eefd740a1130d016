// The control plane from a directory of YAML to what a connected proxy holds: real files, real TLS, a client that is not ours.
import assert from 'node:assert/strict'
import { chmodSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../src/envoy/type-urls.ts'
import type { AdsClient } from './support/ads-client.ts'
import { CART_NODE, priceRoute, SHOP, startTestMesh, type TestMesh } from './support/mesh.ts'

const TYPES = { CDS: CLUSTER_TYPE, LDS: LISTENER_TYPE, EDS: ENDPOINT_TYPE, RDS: ROUTE_TYPE } as const

/** Subscribes to everything, and waits until it is there. */
async function synced(client: AdsClient): Promise<void> {
  for (const typeUrl of Object.values(TYPES)) client.subscribe(typeUrl)
  await client.until(() => Object.keys(TYPES).every((type) => client.held.has(type)))
}

async function cartClient(mesh: TestMesh): Promise<AdsClient> {
  const client = mesh.client(await mesh.join('cart'), CART_NODE, { SERVICE_ACCOUNT: 'cart' })
  await synced(client)
  return client
}

test('a proxy gets clusters, endpoints, listeners and routes of its mesh', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  await mesh.ask('POST', '/v1/ready', { ready: ['default/cart-v1', 'default/price-v1', 'default/price-v2'] })
  const client = await cartClient(mesh)
  const clusters = Object.keys(client.versions('CDS'))
  for (const subset of ['', 'v1', 'v2'])
    assert.ok(clusters.includes(`outbound|9090|${subset}|price.default.svc.cluster.local`), clusters.join(' '))
  assert.ok(Object.keys(client.versions('EDS')).includes('outbound|9090|v1|price.default.svc.cluster.local'))
  assert.ok(Object.keys(client.versions('RDS')).length > 0)
  assert.ok(Object.keys(client.versions('LDS')).length > 0)
})

test('shifting weights in a file sends the changed route and nothing else', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const client = await cartClient(mesh)
  const before = client.responses.length
  const routes = client.versions('RDS')
  mesh.write('routes.yaml', priceRoute(80, 20))
  await client.until(() => client.responses.length > before)
  // Whatever else the change would have sent comes before the answer to this: readiness is not debounced, and touches endpoints only.
  const sent = client.responses.slice(before)
  assert.deepEqual(
    sent.map(({ typeUrl }) => typeUrl),
    [ROUTE_TYPE],
  )
  const changed = sent.flatMap(({ resources }) => (resources ?? []).map(({ name }) => name ?? ''))
  const after = client.versions('RDS')
  assert.ok(changed.length > 0)
  for (const name of Object.keys(after))
    assert.equal(after[name] !== routes[name], changed.includes(name), `only what differs is sent: ${name}`)
  assert.ok(changed.length < Object.keys(after).length || changed.length === 1, changed.join(' '))
})

test('a change of readiness sends endpoints and nothing else', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  await mesh.ask('POST', '/v1/ready', { ready: ['default/cart-v1', 'default/price-v1'] })
  const client = await cartClient(mesh)
  const before = client.responses.length
  await mesh.ask('POST', '/v1/ready', { ready: ['default/cart-v1', 'default/price-v1', 'default/price-v2'] })
  await client.until(() => client.responses.length > before)
  assert.deepEqual(
    client.responses.slice(before).map(({ typeUrl }) => typeUrl),
    [ENDPOINT_TYPE],
  )
})

test('a refused route is visible with its reason until it is replaced', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const client = await cartClient(mesh)
  const rds = async (): Promise<Record<string, unknown>> => {
    const { body } = await mesh.ask('GET', '/v1/proxies')
    const [proxy] = body.proxies as { types: Record<string, Record<string, unknown>>; node: string; identity: string }[]
    assert.equal(proxy?.node, CART_NODE)
    assert.equal(proxy.identity, 'spiffe://cluster.local/ns/default/sa/cart')
    return proxy.types.RDS ?? {}
  }
  // The answer travels on another connection than this question: ask until it has arrived.
  while ((await rds()).state === 'SENT') assert.equal(client.ended, undefined)
  assert.equal((await rds()).state, 'SYNCED')
  client.judge = () => 'weights look odd'
  let before = client.responses.length
  mesh.write('routes.yaml', priceRoute(70, 30))
  await client.until(() => client.responses.length > before)
  while ((await rds()).state === 'SENT') assert.equal(client.ended, undefined)
  const refused = await rds()
  assert.equal(refused.state, 'REJECTED')
  assert.match(JSON.stringify(refused.rejection), /weights look odd/)
  client.judge = () => undefined
  before = client.responses.length
  mesh.write('routes.yaml', priceRoute(60, 40))
  await client.until(() => client.responses.length > before)
  while ((await rds()).state !== 'SYNCED') assert.equal(client.ended, undefined)
})

test('a proxy that comes back with what it holds is sent nothing again, also by a restarted control plane on the same port', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const identity = await mesh.join('cart')
  const first = mesh.client(identity, CART_NODE)
  await synced(first)
  const { port, rootPem } = mesh.controlPlane
  await mesh.restart()
  assert.equal(mesh.controlPlane.port, port)
  assert.equal(mesh.controlPlane.rootPem, rootPem)
  const again = mesh.client(identity, CART_NODE)
  for (const [type, typeUrl] of Object.entries(TYPES)) again.subscribe(typeUrl, [], first.versions(type))
  await again.until(() => Object.keys(TYPES).every((type) => again.responsesOf(type).length > 0))
  for (const response of again.responses) assert.deepEqual([response.resources ?? [], response.removedResources ?? []], [[], []])
})

test('a client that takes nothing for a while gets one message on its way and then the newest only', async (t) => {
  const mesh = await startTestMesh(t, { 'shop.yaml': SHOP['shop.yaml'] ?? '' })
  const client = await cartClient(mesh)
  const before = client.responses.length
  client.pause()
  // Each is compiled and offered to clients before the answer comes.
  for (let v1 = 1; v1 <= 30; v1++) await mesh.ask('POST', '/v1/apply', { text: priceRoute(v1, 100 - v1), name: 'stdin' })
  const other = await cartClient(mesh)
  client.resume()
  await client.until(() => JSON.stringify(client.versions('RDS')) === JSON.stringify(other.versions('RDS')))
  assert.deepEqual(client.versions('CDS'), other.versions('CDS'))
  assert.ok(client.responses.length - before <= 2, `${client.responses.length - before} messages`)
})

test('more clients than are served at a time all get a change, also when some of them hang or leave in the middle', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const identity = await mesh.join('cart')
  const clients = Array.from({ length: 75 }, () => mesh.client(identity, CART_NODE))
  await Promise.all(clients.map(synced))
  const [first] = clients
  const before = JSON.stringify(first?.versions('RDS'))
  for (const client of clients.slice(0, 40)) client.pause()
  mesh.write('routes.yaml', priceRoute(40, 60))
  await Promise.all(clients.slice(40).map((client) => client.until(() => JSON.stringify(client.versions('RDS')) !== before)))
  for (const client of clients.slice(0, 20)) client.close()
  for (const client of clients.slice(20, 40)) client.resume()
  await Promise.all(clients.slice(20, 40).map((client) => client.until(() => JSON.stringify(client.versions('RDS')) !== before)))
  for (;;) {
    const { body } = await mesh.ask('GET', '/v1/proxies')
    if (Array.isArray(body.proxies) && body.proxies.length === 55) break
  }
})

test('a file that no longer parses leaves the configuration in force and is reported', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const client = await cartClient(mesh)
  const routes = client.versions('RDS')
  mesh.write('routes.yaml', 'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: { name: price\n')
  for (;;) {
    const { body } = await mesh.ask('GET', '/v1/findings')
    if (JSON.stringify(body.findings).includes('routes.yaml')) break
  }
  assert.deepEqual(client.versions('RDS'), routes)
  mesh.write('routes.yaml', priceRoute(50, 50))
  await client.until(() => JSON.stringify(client.versions('RDS')) !== JSON.stringify(routes))
})

test('what is applied is in force at once, is listed, survives a restart, and can be deleted', async (t) => {
  const mesh = await startTestMesh(t, { 'shop.yaml': SHOP['shop.yaml'] ?? '' })
  const applied = await mesh.ask('POST', '/v1/apply', { text: priceRoute(30, 70), name: 'stdin' })
  assert.equal(applied.status, 200, JSON.stringify(applied.body))
  assert.deepEqual(applied.body.changes, [{ object: { kind: 'VirtualService', namespace: 'default', name: 'price' }, change: 'created' }])
  await mesh.restart()
  const listed = await mesh.ask('GET', '/v1/objects?kind=vs')
  assert.match(JSON.stringify(listed.body), /"weight":70/)
  const deleted = await mesh.ask('POST', '/v1/delete', { objects: [{ kind: 'VirtualService', namespace: 'default', name: 'price' }] })
  assert.equal(deleted.status, 200, JSON.stringify(deleted.body))
  assert.deepEqual((await mesh.ask('GET', '/v1/objects?kind=vs')).body.objects, [])
})

test('a mistake in what is applied is answered with its place, and nothing is taken', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  const { status: code, body } = await mesh.ask('POST', '/v1/apply', {
    text: priceRoute(30, 70).replace('hosts:', 'hots:'),
    name: 'my.yaml',
  })
  assert.equal(code, 422)
  assert.match(JSON.stringify(body), /hosts/)
})

test('two control planes do not share a state folder', async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  await assert.rejects(mesh.startAnother(), /runs with this state folder already/)
  assert.equal((await mesh.ask('GET', '/v1/version')).status, 200, 'the first goes on')
})

test("secrets in the state folder are their owner's alone, and a key that others can read stops the start", async (t) => {
  const mesh = await startTestMesh(t, SHOP)
  for (const file of ['ca/ca-key.pem', 'ca/join-tokens.json', 'control.sock', 'control-plane.json']) {
    if (file === 'ca/join-tokens.json') await mesh.token('cart')
    assert.equal(statSync(join(mesh.state, file)).mode & 0o077, 0, file)
  }
  chmodSync(join(mesh.state, 'ca/ca-key.pem'), 0o644)
  const key = join(mesh.state, 'ca/ca-key.pem')
  try {
    await assert.rejects(mesh.restart(), /ca-key\.pem holds a secret but has mode 0644/)
  } finally {
    chmodSync(key, 0o600)
    await mesh.restart()
  }
})
