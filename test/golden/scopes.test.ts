// Who knows what: visibility, Sidecars and the order in which DestinationRules count, from objects to the view of a proxy; and what a change
// of one service makes anew.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, ROUTE_TYPE } from '../../src/envoy/type-urls.ts'
import type { WorkloadAddresses } from '../../src/model/address-plan.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../src/model/mesh-snapshot.ts'
import { type CompiledMesh, createMeshCompiler, type MeshCompiler } from '../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { createGenerator } from '../../src/xds/generate/generate.ts'
import type { ScopeView } from '../../src/xds/view/proxy-view.ts'
import { viewFor } from '../../src/xds/view/view-for.ts'

function compile(text: string, compiler: MeshCompiler = createMeshCompiler()): CompiledMesh {
  const { objects } = readYaml(text, 'test.yaml', { defaultNamespace: 'default', compileRegex })
  const state = nextKubeState(emptyKubeState, objects)
  const keys = [...state.objects.LocalWorkload.keys()]
  const workloads = Object.fromEntries(keys.map((key, index) => [key, addressesOf(key, index + 1)]))
  const addresses = { strategy: 'loopback' as const, workloads }
  const input = { state, settings: DEFAULT_MESH_SETTINGS, addresses, capture: 'redirect' as const, ready: new Set(keys), compileRegex }
  return compiler.compile(input)
}

function addressesOf(workload: string, index: number): WorkloadAddresses {
  const at = { host: `10.0.0.${index}`, port: 1 }
  return { workload, address: at.host, admin: at, health: at, metrics: at, httpProxy: at, inbound: [], outbound: [] }
}

function scopeOf(snapshot: MeshSnapshot, name: string): ScopeView {
  const [namespace = '', workload = ''] = name.split('/')
  const view = viewFor(snapshot, { namespace, workload })
  assert.ok(view !== undefined)
  return view.scope
}

function known(snapshot: MeshSnapshot, name: string): readonly string[] {
  return scopeOf(snapshot, name).services.map(({ service }) => service.hostname.replace('.svc.cluster.local', ''))
}

const service = (name: string, namespace: string, more = ''): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}, namespace: ${namespace}${more}}\nspec: {selector: {app: ${name}}, ports: [{name: http, port: 80}]}\n---\n`
const workload = (name: string, namespace: string): string =>
  `apiVersion: lateen.dev/v1alpha1\nkind: LocalWorkload\nmetadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${name}}}\nspec: {command: [x], ports: [{name: http, containerPort: 80}]}\n---\n`
const network = (kind: string, name: string, namespace: string, spec: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {${spec}}\n---\n`

const BASE = service('a', 'one') + service('b', 'two') + workload('a', 'one') + workload('b', 'two') + workload('c', 'one')

test('a service that is exported to some namespaces is known there and nowhere else', () => {
  const exported = (to: string): MeshSnapshot =>
    compile(BASE + service('s', 'two', `, annotations: {networking.istio.io/exportTo: '${to}'}`)).snapshot

  assert.deepEqual(known(exported('*'), 'one/a'), ['a.one', 'b.two', 's.two'])
  assert.deepEqual(known(exported('.'), 'one/a'), ['a.one', 'b.two'])
  assert.deepEqual(known(exported('.'), 'two/b'), ['a.one', 'b.two', 's.two'])
  assert.deepEqual(known(exported('~'), 'two/b'), ['a.one', 'b.two'])
  assert.deepEqual(known(exported('three,one'), 'one/a'), ['a.one', 'b.two', 's.two'])
})

test('the Sidecar that selects a workload counts before its namespace\u2019s, and that one before the mesh\u2019s', () => {
  const mesh = network('Sidecar', 'mesh', 'istio-system', "egress: [{hosts: ['two/*']}]")
  const own = network('Sidecar', 'own', 'one', "egress: [{hosts: ['./*']}]")
  const selecting = network('Sidecar', 'a', 'one', "workloadSelector: {labels: {app: a}}, egress: [{hosts: ['~/*']}]")

  assert.deepEqual(known(compile(BASE + mesh).snapshot, 'one/a'), ['b.two'])
  const { snapshot } = compile(BASE + mesh + own + selecting)
  assert.deepEqual(known(snapshot, 'one/a'), [])
  assert.deepEqual(known(snapshot, 'one/c'), ['a.one'])
  assert.deepEqual(known(snapshot, 'two/b'), ['b.two'])
})

test('an egress listener with a port imports that port, and the last one imports the others', () => {
  const ports = service('p', 'two').replace('[{name: http, port: 80}]', '[{name: http, port: 80}, {name: http-admin, port: 81}]')
  const egress = "egress: [{port: {number: 81, protocol: HTTP, name: admin}, hosts: ['two/b.two.svc.cluster.local']}, {hosts: ['two/*']}]"
  const { snapshot } = compile(BASE + ports + network('Sidecar', 'own', 'one', egress))

  const [, found] = scopeOf(snapshot, 'one/a').services
  assert.deepEqual(
    found?.service.ports.map(({ number }) => number),
    [80],
  )
})

test('a client\u2019s own DestinationRule counts before the service\u2019s, and that one before the mesh\u2019s', () => {
  const rule = (namespace: string, more = ''): string => network('DestinationRule', 'r', namespace, `host: b.two.svc.cluster.local${more}`)
  const counting = (text: string, name: string): string | undefined =>
    scopeOf(compile(BASE + text).snapshot, name).services.find(({ service: { name: of } }) => of === 'b')?.policy?.namespace

  assert.equal(counting(rule('istio-system'), 'one/a'), 'istio-system')
  assert.equal(counting(rule('istio-system') + rule('two'), 'one/a'), 'two')
  assert.equal(counting(rule('istio-system') + rule('two') + rule('one'), 'one/a'), 'one')
  assert.equal(counting(rule('istio-system') + rule('two', ", exportTo: ['.']"), 'one/a'), 'istio-system')
  assert.equal(counting(rule('one'), 'two/b'), undefined)
})

test('the exact host counts before a wildcard, and rules for some clients are for them alone', () => {
  const simple = (name: string, host: string, balancer: string, more = ''): string =>
    network('DestinationRule', name, 'one', `host: '${host}', trafficPolicy: {loadBalancer: {simple: ${balancer}}}${more}`)
  const { snapshot } = compile(
    BASE +
      simple('wide', '*.two.svc.cluster.local', 'RANDOM') +
      simple('wider', '*.cluster.local', 'LEAST_REQUEST') +
      simple('chosen', 'b.two.svc.cluster.local', 'ROUND_ROBIN', ', workloadSelector: {matchLabels: {app: a}}'),
  )
  const balancing = (name: string): unknown =>
    scopeOf(snapshot, name).services.find(({ service: { name: of } }) => of === 'b')?.policy?.traffic.balancing?.algorithm

  assert.equal(balancing('one/a'), 'round-robin')
  assert.equal(balancing('one/c'), 'random')
})

test('rules of one namespace for one host are merged: subsets add up, the older trafficPolicy stays', () => {
  const rule = (name: string, subset: string, balancer: string): string =>
    network('DestinationRule', name, 'two', `host: b, subsets: [{name: ${subset}}], trafficPolicy: {loadBalancer: {simple: ${balancer}}}`)
  const { snapshot, findings } = compile(
    BASE + rule('first', 'v1', 'RANDOM') + rule('second', 'v2', 'ROUND_ROBIN') + rule('third', 'v1', 'RANDOM'),
  )

  const policy = snapshot.policies.get('two/b.two.svc.cluster.local')
  assert.deepEqual(
    policy?.subsets.map(({ name, origin }) => `${name} ${origin.name}`),
    ['v1 first', 'v2 second'],
  )
  assert.equal(policy?.traffic.balancing?.algorithm, 'random')
  assert.deepEqual(
    findings.map(({ code, object, path }) => `${code} ${object?.name} ${path}`),
    ['LTN0205 second spec.trafficPolicy', 'LTN0205 third spec.trafficPolicy', 'LTN0205 third spec.subsets[0]'],
  )
})

test('each namespace may have its own idea of a name of the outside world, and the mesh\u2019s own names are not taken over', () => {
  const entry = (namespace: string, host: string, address: string): string =>
    network(
      'ServiceEntry',
      'e',
      namespace,
      `hosts: [${host}], exportTo: ['.'], resolution: STATIC, endpoints: [{address: ${address}}], ports: [{number: 80, name: http, protocol: HTTP}]`,
    )
  const { snapshot, findings } = compile(
    BASE +
      entry('one', 'api.example.com', '192.0.2.1') +
      entry('two', 'api.example.com', '192.0.2.2') +
      entry('three', 'b.two.svc.cluster.local', '192.0.2.3'),
  )
  const address = (name: string): unknown =>
    scopeOf(snapshot, name).services.find(({ service: { hostname } }) => hostname === 'api.example.com')?.endpoints.ports[0]?.endpoints[0]
      ?.host

  assert.equal(address('one/a'), '192.0.2.1')
  assert.equal(address('two/b'), '192.0.2.2')
  assert.deepEqual(
    findings.map(({ code, object }) => `${code} ${object?.namespace}`),
    ['LTN0205 three'],
  )
})

test('scopes that differ in short names only share clusters and endpoints, and a change of one service leaves the rest as it is', () => {
  const generate = createGenerator()
  const all = (snapshot: MeshSnapshot, name: string): ReturnType<typeof generate> => {
    const [namespace = '', own = ''] = name.split('/')
    const view = viewFor(snapshot, { namespace, workload: own })
    assert.ok(view !== undefined)
    return generate(view)
  }
  const compiler = createMeshCompiler()
  const before = compile(BASE, compiler).snapshot
  const inOne = all(before, 'one/a')
  const inTwo = all(before, 'two/b')

  assert.equal(inOne.get(CLUSTER_TYPE)?.shared, inTwo.get(CLUSTER_TYPE)?.shared)
  assert.equal(inOne.get(ENDPOINT_TYPE)?.shared, inTwo.get(ENDPOINT_TYPE)?.shared)
  assert.notEqual(inOne.get(ROUTE_TYPE)?.shared, inTwo.get(ROUTE_TYPE)?.shared)

  const rule = network('DestinationRule', 'r', 'two', 'host: b, trafficPolicy: {loadBalancer: {simple: RANDOM}}')
  const after = all(compile(BASE + rule, compiler).snapshot, 'one/a')
  const clusters = (of: typeof after, host: string): unknown => of.get(CLUSTER_TYPE)?.shared.get(`outbound|80||${host}.svc.cluster.local`)
  assert.equal(clusters(after, 'a.one'), clusters(inOne, 'a.one'))
  assert.notEqual(clusters(after, 'b.two'), clusters(inOne, 'b.two'))
  assert.equal(after.get(ENDPOINT_TYPE)?.shared, inOne.get(ENDPOINT_TYPE)?.shared)
})

test('clients in two places share everything until a rule asks where they are, and then all but the endpoints that it is for', () => {
  const generate = createGenerator()
  const placed = BASE.replaceAll('labels: {app: a}', 'labels: {app: a, topology.istio.io/locality: eu.a}')
    .replaceAll('labels: {app: c}', 'labels: {app: c, topology.istio.io/locality: us.a}')
    .replaceAll('labels: {app: b}', 'labels: {app: b, topology.istio.io/locality: us.a}')
  const more = workload('b-near', 'two').replace('labels: {app: b-near}', 'labels: {app: b, topology.istio.io/locality: eu.a}')
  const compiler = createMeshCompiler()
  const sent = (text: string, name: string): ReturnType<typeof generate> => {
    const view = viewFor(compile(placed + more + text, compiler).snapshot, { namespace: 'one', workload: name })
    assert.ok(view !== undefined)
    return generate(view)
  }
  assert.equal(sent('', 'a').get(ENDPOINT_TYPE)?.shared, sent('', 'c').get(ENDPOINT_TYPE)?.shared)

  const rule = network('DestinationRule', 'r', 'two', 'host: b, trafficPolicy: {outlierDetection: {consecutive5xxErrors: 1}}')
  const [a, c] = [sent(rule, 'a'), sent(rule, 'c')]

  const endpoints = (of: typeof a, host: string): unknown => of.get(ENDPOINT_TYPE)?.shared.get(`outbound|80||${host}.svc.cluster.local`)
  assert.notDeepEqual(endpoints(a, 'b.two'), endpoints(c, 'b.two'))
  assert.equal(endpoints(a, 'a.one'), endpoints(c, 'a.one'))
  assert.equal(a.get(CLUSTER_TYPE)?.shared, c.get(CLUSTER_TYPE)?.shared)
  assert.equal(a.get(ROUTE_TYPE)?.shared, c.get(ROUTE_TYPE)?.shared)
})
