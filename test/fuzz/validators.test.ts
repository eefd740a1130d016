// Objects of every kind with any values: validation answers without throwing, and what it accepts neither compile nor analysis trips over.
import assert from 'node:assert/strict'
import { checkApiObject } from '../../src/api/check-object.ts'
import { type AnyApiObject, apiVersionsOf, kinds, schemaOf } from '../../src/api/kinds.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import { analyzeMesh } from '../../src/operator/analyze/analyze-mesh.ts'
import { compileMesh } from '../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { fuzz, type Noise } from './fuzz.ts'
import { anyValue } from './schema-values.ts'

const options = { defaultNamespace: 'default', compileRegex }
const NAMES = ['a', 'reviews', 'default']
const NAMESPACES = ['default', 'istio-system', 'shop']

function anyObject(noise: Noise, wild: number): AnyApiObject | undefined {
  const info = noise.pick(kinds)
  const spec = anyValue(schemaOf(info).properties?.spec ?? {}, noise, wild)
  const metadata = { name: noise.pick(NAMES), namespace: noise.pick(NAMESPACES), labels: { app: noise.pick(NAMES) } }
  const value = { apiVersion: noise.pick(apiVersionsOf(info)), kind: info.kind, metadata, spec }
  const { object, findings, refused } = checkApiObject(value, () => undefined, undefined, options)
  assert.ok(!refused || findings.some(({ severity }) => severity === 'error'), 'what is refused is said')
  return object
}

fuzz('any object of any kind is answered', 4000, (noise) => void anyObject(noise, noise.pick([0, 0.02, 0.2])))

fuzz('whatever validation lets through, compile and analysis answer', 300, (noise) => {
  const objects = Array.from({ length: 12 }, () => anyObject(noise, 0)).filter((object) => object !== undefined)
  const state = nextKubeState(emptyKubeState, objects)
  const addresses = { strategy: 'loopback', workloads: {} } as const
  const input = { state, settings: DEFAULT_MESH_SETTINGS, addresses, capture: 'bind', ready: new Set<string>(), compileRegex } as const
  for (const { message } of [...compileMesh(input).findings, ...analyzeMesh(state, DEFAULT_MESH_SETTINGS)]) {
    assert.doesNotMatch(message, /\bundefined\b|\[object Object\]/)
  }
})
