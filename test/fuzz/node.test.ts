// What a proxy says of itself: refused with a reason, or read without believing more than was said.
import assert from 'node:assert/strict'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import type { JsonValue } from '../../src/envoy/generated/messages.gen.ts'
import { parseProxyNode } from '../../src/xds/view/proxy-node.ts'
import { fuzz, mutated, type Noise } from './fuzz.ts'

const PARTS = [
  'sidecar',
  'router',
  'waypoint',
  '',
  '10.0.0.1',
  '::1',
  'a.default',
  'a.b.c',
  'default.svc.cluster.local',
  '~',
  'x'.repeat(300),
  '\n',
  '__proto__',
]
const KEYS = ['SERVICE_ACCOUNT', 'LABELS', 'LATEEN_VERSION', 'NAMESPACE', '__proto__', 'constructor', '']

function anyJson(noise: Noise, depth = 0): JsonValue {
  switch (noise.below(depth > 3 ? 4 : 6)) {
    case 0:
      return noise.pick(PARTS)
    case 1:
      return noise.below(1000) - 500
    case 2:
      return noise.chance(0.5)
    case 3:
      return null
    case 4:
      return Array.from({ length: noise.below(3) }, () => anyJson(noise, depth + 1))
    default:
      return Object.fromEntries(Array.from({ length: noise.below(4) }, () => [noise.pick(KEYS), anyJson(noise, depth + 1)]))
  }
}

fuzz('any node is refused with a reason, or has a workload and a namespace', 5000, (noise) => {
  const metadata = Object.fromEntries(Array.from({ length: noise.below(4) }, () => [noise.pick(KEYS), anyJson(noise)]))
  const id = Array.from({ length: 3 + noise.below(3) }, () => noise.pick(PARTS)).join('~')
  const parsed = parseProxyNode({ id, metadata })
  if (!parsed.ok) {
    assert.notEqual(parsed.problems[0]?.message ?? '', '')
    return
  }
  assert.notEqual(parsed.value.workload, '')
  assert.notEqual(parsed.value.namespace, '')
  for (const value of Object.values(parsed.value.labels)) assert.equal(typeof value, 'string')
})

const request = fullCodec.encode('envoy.service.discovery.v3.DeltaDiscoveryRequest', {
  node: {
    id: 'sidecar~10.0.0.1~a.default~default.svc.cluster.local',
    metadata: { SERVICE_ACCOUNT: 'a', LABELS: { app: 'a', version: 'v1' } },
  },
})

fuzz('a node in bent bytes is refused by the codec or by the reader', 3000, (noise) => {
  const decoded = fullCodec.decode('envoy.service.discovery.v3.DeltaDiscoveryRequest', mutated(Buffer.from(request), noise), {
    onUnsupported: () => undefined,
  })
  if (!decoded.ok) assert.notEqual(decoded.problems[0]?.message ?? '', '')
  else parseProxyNode(decoded.value.node ?? {})
})
