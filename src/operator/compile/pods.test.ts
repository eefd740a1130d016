// Pods, nodes and slices as the mesh sees them: what a cluster's objects lead to, from outside.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readYaml } from '../../api/read-yaml.ts'
import { compileRegex } from '../../base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../model/mesh-settings.ts'
import type { MeshSnapshot } from '../../model/mesh-snapshot.ts'
import type { Endpoint } from '../../model/service.ts'
import { emptyKubeState, nextKubeState } from '../ingest/kube-state.ts'
import type { CompileInput } from './compile-input.ts'
import { type CompiledMesh, compileMesh, createMeshCompiler } from './compile-mesh.ts'

function inputOf(text: string, ready: readonly string[]): CompileInput {
  const { objects, findings } = readYaml(text, 'test.yaml', { defaultNamespace: 'default' })
  assert.deepEqual(
    findings.filter(({ severity }) => severity === 'error'),
    [],
  )
  return {
    state: nextKubeState(emptyKubeState, objects),
    settings: DEFAULT_MESH_SETTINGS,
    addresses: { strategy: 'loopback', workloads: {} },
    capture: 'redirect',
    ready: new Set(ready),
    compileRegex,
  }
}

function compile(text: string, ready: readonly string[] = []): CompiledMesh {
  return compileMesh(inputOf(text, ready))
}

interface PodText {
  readonly name?: string
  readonly meta?: string
  readonly labels?: string
  readonly annotations?: string
  readonly spec?: string
  readonly status?: string
}

function pod({ name = 'a', meta = '', labels = '', annotations = '', spec = '', status = '' }: PodText = {}): string {
  return `apiVersion: v1
kind: Pod
metadata: {name: ${name}, labels: {app: a${labels}}, annotations: {sidecar.istio.io/status: "{}"${annotations}}${meta}}
spec: {containers: [{ports: [{name: http, containerPort: 8080}]}]${spec}}
status: {phase: Running, podIP: 10.0.0.1${status}}
---
`
}

function service(more = '', ports = '{name: http, port: 80, targetPort: http}', name = 'a'): string {
  return `{apiVersion: v1, kind: Service, metadata: {name: ${name}}, spec: {selector: {app: a}, clusterIP: 10.9.0.1${more}, ports: [${ports}]}}\n---\n`
}

function endpointsOf({ snapshot }: CompiledMesh, port = 80, name = 'a'): readonly Endpoint[] {
  const found = snapshot.endpoints.get(`${name}.default.svc.cluster.local`)
  return found?.ports.find((each) => each.port === port)?.endpoints ?? []
}

function workloadOf(snapshot: MeshSnapshot, name = 'a') {
  const workload = snapshot.workloads.get(`default/${name}`)
  assert.ok(workload !== undefined)
  return workload
}

const owner = (kind: string, name: string): string =>
  `, ownerReferences: [{apiVersion: apps/v1, kind: ${kind}, name: ${name}, uid: u, controller: true}]`

const OWNERS: readonly (readonly [what: string, text: PodText, name: string])[] = [
  ['a Deployment', { meta: owner('ReplicaSet', 'reviews-v1-5d6f7'), labels: ', pod-template-hash: 5d6f7' }, 'reviews-v1'],
  ['a ReplicaSet of its own', { meta: owner('ReplicaSet', 'reviews-v1') }, 'reviews-v1'],
  ['a StatefulSet', { meta: owner('StatefulSet', 'db') }, 'db'],
  ['a DaemonSet', { meta: owner('DaemonSet', 'agent') }, 'agent'],
  ['a CronJob', { meta: owner('Job', 'nightly-29384756') }, 'nightly'],
  ['a Job', { meta: owner('Job', 'import-1') }, 'import-1'],
  ['nobody', { name: 'alone' }, 'alone'],
  ['whom its label says', { meta: owner('StatefulSet', 'db'), labels: ', service.istio.io/workload-name: said' }, 'said'],
]

for (const [what, text, name] of OWNERS) {
  test(`a pod of ${what} is named after it in metrics`, () => {
    const [endpoint] = endpointsOf(compile(pod(text) + service()))
    assert.equal(endpoint?.workload.name, name)
  })
}

const PROXIES: readonly (readonly [what: string, text: PodText, takesMutualTls: boolean])[] = [
  ['that was injected', {}, true],
  ['whose label says so', { labels: ', security.istio.io/tlsMode: istio' }, true],
  ['whose label denies it', { labels: ', security.istio.io/tlsMode: disabled' }, false],
  ['on the network of its node', { spec: ', hostNetwork: true' }, false],
  ['of which nothing is captured', { annotations: ', sidecar.istio.io/interceptionMode: NONE' }, false],
  ['that is a gateway', { annotations: ', inject.istio.io/templates: gateway' }, false],
  ['of which this port is not captured', { annotations: ', traffic.sidecar.istio.io/excludeInboundPorts: "9, 8080"' }, false],
  ['of which another port is not captured', { annotations: ', traffic.sidecar.istio.io/excludeInboundPorts: "9"' }, true],
  ['of which only other ports are captured', { annotations: ', traffic.sidecar.istio.io/includeInboundPorts: "9"' }, false],
  ['of which this port is captured', { annotations: ', traffic.sidecar.istio.io/includeInboundPorts: "8080"' }, true],
  ['of which all ports are captured', { annotations: ', traffic.sidecar.istio.io/includeInboundPorts: "*"' }, true],
]

for (const [what, text, takesMutualTls] of PROXIES) {
  test(`a pod ${what} ${takesMutualTls ? 'takes mutual TLS' : 'is called in plaintext'}`, () => {
    const compiled = compile(pod(text) + service())
    assert.equal(endpointsOf(compiled)[0]?.acceptsMutualTls, takesMutualTls)
    assert.equal(compiled.snapshot.endpoints.get('a.default.svc.cluster.local')?.allTakeMutualTls, takesMutualTls)
  })
}

const GATEWAYS: readonly (readonly [what: string, text: string, isGateway: boolean])[] = [
  ['injected with the gateway template', pod({ annotations: ', inject.istio.io/templates: "gateway, extra"' }), true],
  [
    'that brings its proxy along and says that it is one',
    pod({ annotations: ', lateen.dev/role: gateway' }).replace('sidecar.istio.io/status: "{}", ', ''),
    true,
  ],
  ['injected as a sidecar', pod(), false],
  ['whose role is another', pod({ annotations: ', lateen.dev/role: waypoint' }), false],
  [
    'that names the template and was not injected',
    pod({ annotations: ', inject.istio.io/templates: gateway' }).replace('sidecar.istio.io/status: "{}", ', ''),
    false,
  ],
]

for (const [what, text, isGateway] of GATEWAYS) {
  test(`a pod ${what} ${isGateway ? 'is' : 'is not'} a gateway`, () => {
    assert.equal(workloadOf(compile(text).snapshot).isGateway === true, isGateway)
  })
}

test('a pod without a sidecar is called in plaintext', () => {
  const bare = pod().replace('sidecar.istio.io/status: "{}"', '')
  assert.equal(endpointsOf(compile(bare + service()))[0]?.acceptsMutualTls, false)
})

test('pods without an address and those that are over are none', () => {
  const { snapshot } = compile(
    pod({ name: 'pending' }).replace('podIP: 10.0.0.1', 'hostIP: 1.1.1.1') +
      pod({ name: 'failed' }).replace('Running', 'Failed') +
      pod({ name: 'done' }).replace('Running', 'Succeeded') +
      pod({ name: 'there' }),
  )
  assert.deepEqual([...snapshot.workloads.keys()], ['default/there'])
})

test('who answers is healthy, who terminates is draining, and the rest is unhealthy', () => {
  const pods = pod({ name: 'a' }) + pod({ name: 'b' }) + pod({ name: 'c', meta: ', deletionTimestamp: "2026-01-01T00:00:00Z"' })
  const ready = ['default/a', 'default/c']
  const health = (more = ''): readonly string[] => endpointsOf(compile(pods + service(more), ready)).map((each) => each.health)
  assert.deepEqual(health(), ['healthy', 'unhealthy', 'draining'])
  assert.deepEqual(health(', publishNotReadyAddresses: true'), ['healthy', 'healthy', 'healthy'])
})

test('who terminates and does not answer any more is unhealthy, from the moment on at which it turns', () => {
  const compiler = createMeshCompiler()
  const text = pod({ meta: ', deletionTimestamp: "2026-01-01T00:00:00Z"' }) + service()
  const input = inputOf(text, ['default/a'])
  const health = (ready: readonly string[]): Endpoint['health'] | undefined =>
    endpointsOf(compiler.compile({ ...input, ready: new Set(ready) }))[0]?.health
  assert.deepEqual(
    [['default/a'], [], ['default/a']].map((ready) => health(ready)),
    ['draining', 'unhealthy', 'draining'],
  )
})

test('a service may mean a port that no container declares, and what none means is left alone', () => {
  const compiled = compile(pod() + service('', '{name: grpc, port: 90, targetPort: 9999}'))
  assert.equal(endpointsOf(compiled, 90)[0]?.port, 9999)
  const { ports, capture } = workloadOf(compiled.snapshot)
  assert.deepEqual(
    ports.map(({ number, protocol }) => ({ number, protocol })),
    [{ number: 9999, protocol: 'http2' }],
  )
  assert.equal(capture.kind, 'redirect')
})

test('a port of UDP is not what a service of TCP means by its name', () => {
  const udp = pod().replace('containerPort: 8080', 'containerPort: 8080, protocol: UDP')
  const compiled = compile(udp + service())
  assert.deepEqual(endpointsOf(compiled), [])
  assert.deepEqual(
    compiled.findings.map(({ code }) => code),
    ['LTN0211'],
  )
})

const BOTH = ', podIPs: [{ip: 10.0.0.1}, {ip: "fd00::1"}]'
const hostsOf = (more: string): readonly string[] =>
  endpointsOf(compile(pod({ status: BOTH }) + service(more))).flatMap(({ host, otherHosts = [] }) => [host, ...otherHosts])

test('a service is called in the families that it has, in their order', () => {
  assert.deepEqual(hostsOf(', ipFamilies: [IPv4]'), ['10.0.0.1'])
  assert.deepEqual(hostsOf(', ipFamilies: [IPv6]'), ['fd00::1'])
  assert.deepEqual(hostsOf(', ipFamilies: [IPv6, IPv4]'), ['fd00::1', '10.0.0.1'])
  assert.deepEqual(hostsOf(''), ['10.0.0.1'], 'as its address')
  assert.deepEqual(hostsOf(', clusterIPs: [10.9.0.1, "fd01::1"]'), ['10.0.0.1', 'fd00::1'], 'as its addresses')
})

test('several pods on the address of one node are told apart by their ports', () => {
  const other = pod({ name: 'b', spec: ', hostNetwork: true' }).replace('8080', '8081')
  const endpoints = endpointsOf(compile(pod({ spec: ', hostNetwork: true' }) + other + service()))
  assert.deepEqual(
    endpoints.map(({ host, port, instance }) => `${host}:${port} ${instance}`),
    ['10.0.0.1:8080 default/a', '10.0.0.1:8081 default/b'],
  )
})

const NODE = `{apiVersion: v1, kind: Node, metadata: {name: n, labels: {topology.kubernetes.io/region: r, topology.kubernetes.io/zone: z, topology.istio.io/subzone: s}}}\n---\n`

test('a pod is where its node is, unless a label says where it is', () => {
  const there = endpointsOf(compile(NODE + pod({ spec: ', nodeName: n' }) + service()))
  assert.deepEqual(there[0]?.locality, { region: 'r', zone: 'z', subzone: 's' })
  const said = endpointsOf(compile(NODE + pod({ spec: ', nodeName: n', labels: ', topology.istio.io/locality: x.y' }) + service()))
  assert.deepEqual(said[0]?.locality, { region: 'x', zone: 'y', subzone: '' })
})

const BARE = '{apiVersion: v1, kind: Service, metadata: {name: a}, spec: {clusterIP: 10.9.0.1, ports: [{name: http, port: 80}]}}\n---\n'

function slice(endpoints: string, more = 'addressType: IPv4', ports = '{name: http, port: 8080}'): string {
  const meta = '{name: s, labels: {kubernetes.io/service-name: a}}'
  return `apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\nmetadata: ${meta}\n${more}\nports: [${ports}]\nendpoints: [${endpoints}]\n---\n`
}

test('slices say who answers for a service without a selector', () => {
  const endpoints = endpointsOf(
    compile(
      BARE +
        slice(
          '{addresses: [1.1.1.1, 1.1.1.9]}, {addresses: [1.1.1.2], conditions: {ready: false}}, ' +
            '{addresses: [1.1.1.3], conditions: {ready: false, serving: true, terminating: true}}, {addresses: [1.1.1.4], zone: z}',
        ),
    ),
  )
  assert.deepEqual(
    endpoints.map(({ host, port, health, locality }) => `${host}:${port} ${health} ${locality.zone}`),
    ['1.1.1.1:8080 healthy ', '1.1.1.2:8080 unhealthy ', '1.1.1.3:8080 draining ', '1.1.1.4:8080 healthy z'],
  )
})

test('a slice that points at a pod lends its endpoint the identity and labels of the pod', () => {
  const compiled = compile(
    BARE + pod({ spec: ', serviceAccountName: bank' }) + slice('{addresses: [10.0.0.1], targetRef: {kind: Pod, name: a}}'),
  )
  const [endpoint] = endpointsOf(compiled)
  assert.equal(endpoint?.acceptsMutualTls, true)
  assert.deepEqual(endpoint?.labels, { app: 'a' })
  assert.deepEqual(compiled.snapshot.endpoints.get('a.default.svc.cluster.local')?.identities, [
    'spiffe://cluster.local/ns/default/sa/bank',
  ])
})

test('a service with a selector is made of its pods alone, whatever a slice says', () => {
  const endpoints = endpointsOf(compile(pod() + service() + slice('{addresses: [1.1.1.1]}')))
  assert.deepEqual(
    endpoints.map(({ host }) => host),
    ['10.0.0.1'],
  )
})

test('a service of nobody, and a slice of names, are Findings', () => {
  const codes = ({ findings }: CompiledMesh): readonly string[] => findings.map(({ code }) => code)
  assert.deepEqual(codes(compile(BARE)), ['LTN0230'])
  assert.deepEqual(codes(compile(BARE + slice('{addresses: [a.example.com]}', 'addressType: FQDN'))), ['LTN0102', 'LTN0230'])
  assert.deepEqual(codes(compile(BARE + slice('{addresses: [1.1.1.1]}'))), [])
})

const CONFIG = (selector: string): string =>
  `apiVersion: lateen.dev/v1alpha1\nkind: MeshConfig\nmetadata: {name: m, namespace: istio-system}\nspec: {discoverySelectors: [${selector}]}\n---\n`
const NAMESPACES = ['one', 'two']
  .map((name) => `{apiVersion: v1, kind: Namespace, metadata: {name: ${name}, labels: {mesh: "${name}"}}}\n---\n`)
  .join('')
const in2 = (name: string, namespace: string): string =>
  service('', undefined, name).replace(`name: ${name}`, `name: ${name}, namespace: ${namespace}`)

const SELECTORS: readonly (readonly [selector: string, seen: readonly string[]])[] = [
  ['{matchLabels: {mesh: one}}', ['one', 'root']],
  ['{matchExpressions: [{key: mesh, operator: In, values: [two, x]}]}', ['two', 'root']],
  ['{matchExpressions: [{key: mesh, operator: NotIn, values: [two]}]}', ['one', 'root', 'unlabelled']],
  ['{matchExpressions: [{key: mesh, operator: Exists}]}', ['one', 'two', 'root']],
  ['{matchExpressions: [{key: mesh, operator: DoesNotExist}]}', ['root', 'unlabelled']],
  ['{matchLabels: {mesh: one}}, {matchLabels: {kubernetes.io/metadata.name: three}}', ['one', 'root', 'unlabelled']],
  ['{matchLabels: {mesh: none}}', ['root']],
]

for (const [selector, seen] of SELECTORS) {
  test(`with the discovery selector ${selector} the mesh sees ${seen.join(', ')}`, () => {
    const services = in2('one', 'one') + in2('two', 'two') + in2('unlabelled', 'three') + in2('root', 'istio-system')
    const { snapshot } = compile(CONFIG(selector) + NAMESPACES + services)
    assert.deepEqual(new Set([...snapshot.services.values()].map(({ name }) => name)), new Set(seen))
  })
}

test('a pod of which nothing is captured is called at its own port, and its proxy is an HTTP proxy', () => {
  const made = compile(
    pod({ annotations: ', sidecar.istio.io/interceptionMode: NONE', status: ', conditions: [{type: Ready, status: "True"}]' }) + service(),
  )

  const { capture, hasProxy } = workloadOf(made.snapshot)
  assert.deepEqual([capture.kind, hasProxy], ['bind', false])
  assert.deepEqual(capture.kind === 'bind' ? capture.httpProxy : undefined, { host: '127.0.0.1', port: 15001 })
  assert.deepEqual(
    endpointsOf(made).map(({ host, port }) => [host, port]),
    [['10.0.0.1', 8080]],
  )
})
