// What holds for compile, view and generate whatever the input: pure, deterministic, and quiet about what did not change.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnyApiObject } from '../../src/api/kinds.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../src/envoy/type-urls.ts'
import { compileMesh, createMeshCompiler } from '../../src/operator/compile/compile-mesh.ts'
import { allObjects, emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { createGenerator, generate, joinedParts } from '../../src/xds/generate/generate.ts'
import type { EnvoyResources } from '../../src/xds/generate/resources.ts'
import type { ProxyView } from '../../src/xds/view/proxy-view.ts'
import { viewFor } from '../../src/xds/view/view-for.ts'
import { type Json, toEnvoyJson } from './envoy-json.ts'
import { caseNames, readCase, runCase } from './golden-case.ts'

for (const name of caseNames()) {
  test(`${name}: two builds of one state are the same bytes, and no stage changes its input`, () => {
    const first = runCase(deepFreeze(readCase(name)))
    const second = runCase(readCase(name))

    deepFreeze(first.snapshot)
    deepFreeze(first.view)
    assert.deepEqual(flat(generate(first.view)), flat(second.resources))
    assert.deepEqual(first.view.scope.keys, second.view.scope.keys)
    assert.equal(first.view.instance.key, second.view.instance.key)
  })
}

test('the order in which objects were read does not matter', () => {
  const golden = readCase('conflicting-virtual-services')
  const reversed = nextKubeState(emptyKubeState, [...allObjects(golden.input.state)].reverse())

  assert.deepEqual(flat(runCase({ ...golden, input: { ...golden.input, state: reversed } }).resources), flat(runCase(golden).resources))
})

test('a compile of the same state gives the very same snapshot', () => {
  const { input } = readCase('bookinfo-all-v1')
  const compiler = createMeshCompiler()
  const { snapshot } = compiler.compile(input)

  assert.equal(compiler.compile({ ...input, state: { ...input.state, objects: { ...input.state.objects } } }).snapshot, snapshot)
})

test('a workload that stops answering changes load assignments and nothing else', () => {
  const golden = readCase('bookinfo-all-v1')
  const compiler = createMeshCompiler()
  const before = compiler.compile(golden.input).snapshot
  const ready = new Set([...golden.input.ready].filter((key) => key !== 'default/reviews-v1'))
  const after = compiler.compile({ ...golden.input, ready }).snapshot
  const changed = changes(generate(viewOf(before, 'productpage-v1')), generate(viewOf(after, 'productpage-v1')))

  assert.equal(after.services, before.services)
  const { endpoints: _, ...untouched } = viewOf(before, 'productpage-v1').scope.keys
  assert.partialDeepStrictEqual(viewOf(after, 'productpage-v1').scope.keys, untouched)
  assert.deepEqual(changed, [
    `${ENDPOINT_TYPE} outbound|9080|v1|reviews.default.svc.cluster.local`,
    `${ENDPOINT_TYPE} outbound|9080||reviews.default.svc.cluster.local`,
  ])
})

test('a changed weight changes the route tables of its service and nothing else', () => {
  const golden = readCase('weights-90-10')
  const compiler = createMeshCompiler()
  const before = compiler.compile(golden.input).snapshot
  const objects = [...allObjects(golden.input.state)].map((object): AnyApiObject => {
    if (object.kind !== 'VirtualService') return object
    const http = (object.spec.http ?? []).map((entry) => ({ ...entry, route: entry.route?.slice(0, 1) ?? [] }))
    return { ...object, spec: { ...object.spec, http } }
  })
  const after = compiler.compile({ ...golden.input, state: nextKubeState(golden.input.state, objects) }).snapshot

  assert.deepEqual(changes(generate(viewOf(before, 'productpage-v1')), generate(viewOf(after, 'productpage-v1'))), [
    `${ROUTE_TYPE} http_proxy`,
    `${ROUTE_TYPE} reviews.default.svc.cluster.local:9080`,
  ])
})

test('proxies of one namespace share their scope, and its resources are rendered once', () => {
  const { snapshot } = compileMesh(readCase('bookinfo-all-v1').input)
  const productpage = viewOf(snapshot, 'productpage-v1')
  const reviews = viewOf(snapshot, 'reviews-v1')
  const generateOnce = createGenerator()
  const name = 'outbound|9080||reviews.default.svc.cluster.local'

  const first = generateOnce(productpage).get(CLUSTER_TYPE)?.shared
  const second = generateOnce(reviews).get(CLUSTER_TYPE)?.shared

  assert.equal(productpage.scope, reviews.scope)
  assert.ok(first?.has(name) === true && first === second)
  assert.deepEqual(flat(joinedParts(generateOnce(productpage))), flat(generate(productpage)))
})

test('a generator that remembers gives what a fresh one gives, after every change', () => {
  const remembering = createGenerator()
  for (const name of caseNames()) {
    const { view } = runCase(readCase(name))
    assert.deepEqual(flat(joinedParts(remembering(view))), flat(generate(view)), name)
  }
})

test('every route and cluster that an object made says which object and field it was', () => {
  for (const name of caseNames()) {
    const { routes = [], clusters = [], listeners = [] } = toEnvoyJson(runCase(readCase(name)).resources)
    const made = [...found(routes, 'routes'), ...found(listeners, 'routes'), ...clusters].filter((each) => !BUILT_IN.has(String(each.name)))
    assert.ok(made.length > 0)
    const silent = made.filter(({ metadata }) => !/"config":"\/api.*"field":"spec/.test(JSON.stringify(metadata ?? {})))
    assert.deepEqual(silent, [], name)
  }
})

test('a workload that the mesh does not know has no view', () => {
  const { snapshot } = compileMesh(readCase('bookinfo-all-v1').input)

  assert.equal(viewFor(snapshot, { namespace: 'default', workload: 'nobody' }), undefined)
})

test('no listener is served to a workload for another one', () => {
  const { snapshot } = compileMesh(readCase('bookinfo-all-v1').input)
  const names = [...(generate(viewOf(snapshot, 'reviews-v1')).get(LISTENER_TYPE)?.keys() ?? [])]

  assert.deepEqual(names, ['10.0.0.2_15080', '10.0.0.2_9080', '10.1.2.1_9080', '10.1.2.2_9080'])
})

function viewOf(snapshot: Parameters<typeof viewFor>[0], workload: string): ProxyView {
  const view = viewFor(snapshot, { namespace: 'default', workload })
  assert.ok(view !== undefined)
  return view
}

/** What the mesh's settings make, not an object. */
const BUILT_IN = new Set(['allow_any', 'block_all', 'blackhole', 'PassthroughCluster', 'BlackHoleCluster', 'InboundPassthroughCluster'])

/** All entries of lists under this key, however deep. */
function found(value: unknown, key: string): readonly Json[] {
  if (typeof value !== 'object' || value === null) return []
  return Object.entries(value).flatMap(([name, inner]: [string, unknown]) => [
    ...(name === key && Array.isArray(inner) ? inner.map((each): Json => ({ ...each })) : []),
    ...found(inner, key),
  ])
}

function flat(resources: EnvoyResources): Record<string, string> {
  return Object.fromEntries(
    [...resources].flatMap(([type, byName]) =>
      [...byName].map(([name, { version, bytes }]) => [`${type} ${name}`, `${version} ${Buffer.from(bytes).toString('base64')}`]),
    ),
  )
}

function changes(before: EnvoyResources, after: EnvoyResources): readonly string[] {
  const [old, now] = [flat(before), flat(after)]
  return [...new Set([...Object.keys(old), ...Object.keys(now)])].filter((key) => old[key] !== now[key]).sort()
}

function deepFreeze<T>(value: T): T {
  if (typeof value !== 'object' || value === null || Object.isFrozen(value) || value instanceof Uint8Array) return value
  Object.freeze(value)
  if (value instanceof Map) for (const inner of value.values()) deepFreeze(inner)
  for (const inner of Object.values(value)) deepFreeze(inner)
  return value
}
