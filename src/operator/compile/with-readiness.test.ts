// The short way for readiness gives what the long way gives.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { AnyApiObject } from '../../api/kinds.ts'
import { compileRegex } from '../../base/regex.ts'
import type { AddressPlan } from '../../model/address-plan.ts'
import { DEFAULT_MESH_SETTINGS } from '../../model/mesh-settings.ts'
import { emptyKubeState, nextKubeState } from '../ingest/kube-state.ts'
import type { CompileInput } from './compile-input.ts'
import { compileMesh } from './compile-mesh.ts'
import { withReadiness } from './with-readiness.ts'

const at = { host: '127.0.0.1', port: 1 }
const names = ['a-1', 'a-2', 'b-1']

function inputWith(ready: readonly string[], spec: object = {}): CompileInput {
  const meta = { namespace: 'default', annotations: {} }
  const objects: AnyApiObject[] = [
    ...['a', 'b'].map((app) => ({
      apiVersion: 'v1' as const,
      kind: 'Service' as const,
      metadata: { ...meta, name: app, labels: {} },
      spec: { selector: { app }, ports: [{ name: 'http', port: 80, targetPort: 8080 }], ...spec },
    })),
    ...names.map((name) => ({
      apiVersion: 'lateen.dev/v1alpha1' as const,
      kind: 'LocalWorkload' as const,
      metadata: { ...meta, name, labels: { app: name.slice(0, 1) } },
      spec: { command: ['none'], ports: [{ name: 'http', containerPort: 8080 }] },
    })),
  ]
  const workloads: AddressPlan['workloads'] = Object.fromEntries(
    names.map((name, index) => {
      const own = { admin: at, health: at, metrics: at, httpProxy: at, inbound: [], outbound: [] }
      return [`default/${name}`, { workload: `default/${name}`, address: `10.0.0.${index + 1}`, ...own }]
    }),
  )
  return {
    ...{ state: nextKubeState(emptyKubeState, objects), settings: DEFAULT_MESH_SETTINGS, capture: 'redirect', compileRegex },
    ...{ addresses: { strategy: 'loopback', workloads }, ready: new Set(ready) },
  }
}

for (const [before, after] of [
  [['default/a-1'], ['default/a-2', 'default/b-1']],
  [[], names.map((name) => `default/${name}`)],
  [['default/a-1', 'default/gone'], ['default/a-1']],
] as const) {
  test(`from [${before}] to [${after}] answering, compiled and patched are the same`, () => {
    const patched = withReadiness(compileMesh(inputWith(before)).snapshot, new Set(before), inputWith(after))

    assert.deepEqual(patched, compileMesh(inputWith(after)).snapshot)
  })
}

test('what has not turned stays the same object', () => {
  const { snapshot } = compileMesh(inputWith([]))
  const patched = withReadiness(snapshot, new Set(), inputWith(['default/a-1']))
  const b = [...snapshot.endpoints.keys()].find((key) => key.includes('b.default')) ?? ''

  assert.equal(patched?.services, snapshot.services)
  assert.ok(snapshot.endpoints.has(b))
  assert.equal(patched?.endpoints.get(b), snapshot.endpoints.get(b))
  assert.equal(withReadiness(snapshot, new Set(), inputWith(['default/nobody'])), snapshot)
})

test('a Service that publishes who is not ready needs a compile', () => {
  const { snapshot } = compileMesh(inputWith([]))

  assert.equal(withReadiness(snapshot, new Set(), inputWith(['default/a-1'], { publishNotReadyAddresses: true })), undefined)
})
