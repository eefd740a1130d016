import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { MessageName } from '../../envoy/any.ts'
import type { Cluster, ClusterLoadAssignment, Listener, RouteConfiguration } from '../../envoy/generated/messages.gen.ts'
import { proxyCodec } from '../../envoy/proxy-codec.ts'
import { Assembler, type Received, type Resources } from './assemble.ts'
import { cluster, endpoint, forwardRoute, listener, manager, settings } from './resources.fixture.ts'

const ads = { ads: {} }
// JSON drops what is undefined: a fixture's field is left out by saying so.
const plain = (json: object): unknown => JSON.parse(JSON.stringify(json))

function read<T>(name: MessageName, json: object): Received<T> {
  const result = proxyCodec.fromJson(name, plain(json))
  assert.ok(result.ok, JSON.stringify(result))
  return { message: result.value as T }
}

const readListener = (json: object) => read<Listener>('envoy.config.listener.v3.Listener', json)
const readCluster = (json: object) => read<Cluster>('envoy.config.cluster.v3.Cluster', json)
const readRoutes = (json: object) => read<RouteConfiguration>('envoy.config.route.v3.RouteConfiguration', json)
const readEndpoints = (json: object) => read<ClusterLoadAssignment>('envoy.config.endpoint.v3.ClusterLoadAssignment', json)

const viaRds = readListener(listener({}, [manager({ route_config: undefined, rds: { route_config_name: '9080', config_source: ads } })]))
const edsCluster = (name: string) =>
  readCluster(cluster({ name, type: 'EDS', load_assignment: undefined, eds_cluster_config: { eds_config: ads } }))
const table = (to: string) =>
  readRoutes({ name: '9080', virtual_hosts: [{ name: 'all', domains: ['*'], routes: [forwardRoute({ prefix: '/' }, { cluster: to })] }] })
const assignment = (name: string, port = 9080) =>
  readEndpoints({ cluster_name: name, endpoints: [{ lb_endpoints: [endpoint('10.0.0.1', port)] }] })

const [clusterA, clusterB, routesA, endpointsA] = [edsCluster('a'), edsCluster('b'), table('a'), assignment('a')]

function resources(fields: Partial<Resources> = {}): Resources {
  return {
    listeners: new Map([['main', viaRds]]),
    clusters: new Map([['a', clusterA]]),
    routes: new Map([['9080', routesA]]),
    endpoints: new Map([['a', endpointsA]]),
    ...fields,
  }
}

const assembler = () => new Assembler(settings)

test('with everything there, listener, table and endpoints are joined', () => {
  const { config, waiting, rejected } = assembler().assemble(resources())
  assert.deepEqual([waiting, rejected], [[], []])
  const terminal = config.listeners.get('main')?.filterChains[0]?.terminal
  assert.equal(terminal?.kind === 'http' && terminal.routes.name, '9080')
  assert.equal(config.clusters.get('a')?.endpoints[0]?.address.port, 9080)
})

test('a listener without its table waits, and says for what', () => {
  const { config, waiting } = assembler().assemble(resources({ routes: new Map() }))
  assert.equal(config.listeners.size, 0)
  assert.deepEqual(waiting, [{ type: 'listener', name: 'main', for: 'route table', missing: '9080' }])
})

test('a listener whose table names a cluster without endpoints waits for them', () => {
  const { config, waiting } = assembler().assemble(resources({ endpoints: new Map() }))
  assert.deepEqual([config.listeners.size, config.clusters.size], [0, 0])
  assert.deepEqual(waiting, [
    { type: 'cluster', name: 'a', for: 'endpoints', missing: 'a' },
    { type: 'listener', name: 'main', for: 'endpoints', missing: 'a' },
  ])
})

test('a cluster that does not exist is not waited for: the route answers NC', () => {
  const { config, waiting } = assembler().assemble(resources({ clusters: new Map(), endpoints: new Map() }))
  assert.equal(config.listeners.size, 1)
  assert.deepEqual(waiting, [])
})

test('a listener that must wait stays as it was, with the clusters that it needs', () => {
  const one = assembler()
  const before = one.assemble(resources()).config
  const after = one.assemble(
    resources({
      routes: new Map([['9080', table('b')]]),
      clusters: new Map([
        ['a', clusterA],
        ['b', clusterB],
      ]),
    }),
    before,
  )
  assert.equal(after.config.listeners.get('main'), before.listeners.get('main'))
  assert.equal(after.config.clusters.get('a'), before.clusters.get('a'))
  assert.deepEqual(
    after.waiting.map(({ type, missing }) => [type, missing]),
    [
      ['cluster', 'b'],
      ['listener', 'b'],
    ],
  )
})

test('without patience, what is missing is not waited for', () => {
  const { config } = assembler().assemble(resources({ endpoints: new Map() }), undefined, false)
  assert.equal(config.listeners.size, 1)
  assert.deepEqual(config.clusters.get('a')?.endpoints, [])
})

test('what did not change stays the same object', () => {
  const one = assembler()
  const before = one.assemble(resources()).config
  const same = one.assemble(resources(), before).config
  assert.equal(same.listeners.get('main'), before.listeners.get('main'))
  assert.equal(same.clusters.get('a'), before.clusters.get('a'))
  const moved = one.assemble(resources({ endpoints: new Map([['a', assignment('a', 9081)]]) }), same).config
  assert.equal(moved.listeners.get('main'), before.listeners.get('main'))
  assert.equal(moved.clusters.get('a')?.endpoints[0]?.address.port, 9081)
  const rerouted = one.assemble(resources({ routes: new Map([['9080', table('a')]]) }), same).config
  assert.notEqual(rerouted.listeners.get('main'), before.listeners.get('main'))
})

test('a removed listener goes; a resource that cannot be read is rejected whole, and alone', () => {
  const one = assembler()
  const before = one.assemble(resources()).config
  assert.equal(one.assemble(resources({ listeners: new Map() }), before).config.listeners.size, 0)
  const broken = readCluster(cluster({ name: 'bad', load_assignment: { endpoints: [{ lb_endpoints: [endpoint('not-an-ip', 1)] }] } }))
  const { config, rejected } = one.assemble(
    resources({
      clusters: new Map([
        ['a', clusterA],
        ['bad', broken],
      ]),
    }),
    before,
  )
  assert.deepEqual([...config.clusters.keys()], ['a'])
  assert.deepEqual(
    rejected.map(({ type, name }) => [type, name]),
    [['clusters', 'bad']],
  )
  assert.equal(one.readCluster(broken).value, undefined)
})

test('a field that the codec dropped rejects the resource, and inside a policy denies instead', () => {
  const dropped = [{ path: 'filter_chains[0].filters[0].typed_config.x', message: 'not supported' }]
  assert.deepEqual(assembler().readListener({ message: viaRds.message, dropped }).problems, dropped)
  const allowing = new Assembler({ ...settings, allowUnsupported: true })
  assert.deepEqual(allowing.readListener({ message: viaRds.message, dropped }).warnings, dropped)
})

test('localities share their weight among their endpoints', () => {
  const weighted = readCluster(
    cluster({
      name: 'a',
      type: 'EDS',
      load_assignment: undefined,
      eds_cluster_config: { eds_config: ads },
      common_lb_config: { locality_weighted_lb_config: {} },
    }),
  )
  const two = readEndpoints({
    cluster_name: 'a',
    endpoints: [
      { load_balancing_weight: 80, lb_endpoints: [endpoint('10.0.0.1', 1), endpoint('10.0.0.2', 1)] },
      { load_balancing_weight: 20, lb_endpoints: [endpoint('10.0.0.3', 1)] },
    ],
  })
  const { config } = assembler().assemble(resources({ clusters: new Map([['a', weighted]]), endpoints: new Map([['a', two]]) }))
  assert.deepEqual(
    config.clusters.get('a')?.endpoints.map(({ weight }) => weight),
    [40, 40, 20],
  )
})
