// Whom an object concerns: the proxies whose configuration contains something of it, or is shaped by it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../src/model/mesh-snapshot.ts'
import { createMeshCompiler } from '../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { type Concerns, createConcernBook } from '../../src/xds/view/concerns.ts'
import type { ProxyView } from '../../src/xds/view/proxy-view.ts'
import { viewFor } from '../../src/xds/view/view-for.ts'

const WORKLOADS = ['shop/cart', 'shop/price', 'bank/ledger']
const BASE = WORKLOADS.map((key) => {
  const [namespace, name] = key.split('/')
  return `apiVersion: v1
kind: Service
metadata: {name: ${name}, namespace: ${namespace}}
spec: {selector: {app: ${name}}, ports: [{name: http, port: 80}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: ${name}, namespace: ${namespace}, labels: {app: ${name}}}
spec: {serviceAccount: ${name}, command: [x], ports: [{name: http, containerPort: 80}]}
`
}).join('---\n')

function snapshotOf(text: string): MeshSnapshot {
  const read = readYaml(`${BASE}---\n${text}`, 'mesh.yaml', { defaultNamespace: 'shop', compileRegex })
  assert.equal(read.broken, false, JSON.stringify(read.findings))
  const nowhere = { host: '127.0.0.1', port: 0 }
  const addresses = {
    strategy: 'ports' as const,
    workloads: Object.fromEntries(
      WORKLOADS.map((workload) => [
        workload,
        {
          ...{ workload, address: '127.0.0.1', admin: nowhere, health: nowhere, metrics: nowhere, httpProxy: nowhere, outbound: [] },
          inbound: [{ name: 'http', containerPort: 80, listen: nowhere, application: nowhere }],
        },
      ]),
    ),
  }
  const state = nextKubeState(emptyKubeState, read.objects)
  const input = { state, settings: DEFAULT_MESH_SETTINGS, capture: 'redirect' as const, compileRegex, addresses, ready: new Set(WORKLOADS) }
  return createMeshCompiler().compile(input).snapshot
}

function* viewsOf(snapshot: MeshSnapshot): Generator<readonly [string, ProxyView]> {
  for (const key of WORKLOADS) {
    const [namespace = '', workload = ''] = key.split('/')
    const view = viewFor(snapshot, { namespace, workload })
    assert.ok(view)
    yield [key, view]
  }
}

function concernedBy(object: string, { objects, groups }: Concerns): readonly string[] {
  const number = objects.indexOf(object)
  return groups.flatMap((group) => (group.objects.includes(number) ? group.proxies : [])).sort()
}

const whom = (object: string, text: string): readonly string[] => concernedBy(object, createConcernBook()(viewsOf(snapshotOf(text))))

const route = (spec: string): string => `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: price, namespace: shop}
spec: {hosts: [price.shop.svc.cluster.local], http: [{route: [{destination: {host: price.shop.svc.cluster.local}}]}], ${spec}}
`

test('a route that everybody sees concerns everybody, one of its namespace only its namespace', () => {
  assert.deepEqual(whom('VirtualService shop/price', route('exportTo: ["*"]')), ['bank/ledger', 'shop/cart', 'shop/price'])
  assert.deepEqual(whom('VirtualService shop/price', route('exportTo: ["."]')), ['shop/cart', 'shop/price'])
})

test('a gateway is concerned by the routes that name it, not by those of the mesh', () => {
  const seenBy = (gateways: string): readonly string[] => {
    const edge = `---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge, namespace: bank}
spec: {selector: {app: ledger}, servers: [{port: {number: 8080, name: http, protocol: HTTP}, hosts: ["*"]}]}
`
    const snapshot = snapshotOf(route(`gateways: [${gateways}]`) + edge)
    const view = viewFor(snapshot, { namespace: 'bank', workload: 'ledger', type: 'router' })
    assert.ok(view)
    return concernedBy('VirtualService shop/price', createConcernBook()([['bank/ledger', view]]))
  }
  assert.deepEqual(seenBy('mesh'), [])
  assert.deepEqual(seenBy('bank/edge'), ['bank/ledger'])
})

test('a Sidecar concerns whom it selects, and keeps other objects from concerning them', () => {
  const sidecar = `---
apiVersion: networking.istio.io/v1
kind: Sidecar
metadata: {name: narrow, namespace: bank}
spec: {egress: [{hosts: ["bank/*"]}]}
`
  assert.deepEqual(whom('Sidecar bank/narrow', route('') + sidecar), ['bank/ledger'])
  assert.deepEqual(whom('VirtualService shop/price', route('') + sidecar), ['shop/cart', 'shop/price'])
})

test('a policy of workloads concerns those that it selects', () => {
  const policy = `
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: strict, namespace: shop}
spec: {selector: {matchLabels: {app: cart}}, mtls: {mode: STRICT}}
`
  assert.deepEqual(whom('PeerAuthentication shop/strict', policy), ['shop/cart'])
})

test('a rule for a destination concerns who may call it', () => {
  const rule = `
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: price, namespace: shop}
spec: {host: price.shop.svc.cluster.local, exportTo: ["."], trafficPolicy: {connectionPool: {tcp: {maxConnections: 5}}}}
`
  assert.deepEqual(whom('DestinationRule shop/price', rule), ['shop/cart', 'shop/price'])
})

test('what was asked before does not change the answer', () => {
  const book = createConcernBook()
  const [wide, narrow] = [snapshotOf(route('exportTo: ["*"]')), snapshotOf(route('exportTo: ["."]'))]
  for (const [snapshot, count] of [
    [wide, 3],
    [narrow, 2],
    [wide, 3],
  ] as const) {
    assert.equal(concernedBy('VirtualService shop/price', book(viewsOf(snapshot))).length, count)
  }
})
