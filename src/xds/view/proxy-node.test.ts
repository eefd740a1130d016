import assert from 'node:assert/strict'
import { test } from 'node:test'
import { nodeId } from '../../envoy/names.ts'
import { parseProxyNode } from './proxy-node.ts'

test('a node says who it is, in Istio\u2019s form', () => {
  const id = nodeId({
    type: 'sidecar',
    address: '10.0.0.7',
    workload: 'reviews-v1.2',
    namespace: 'default',
    domain: 'default.svc.cluster.local',
  })

  const parsed = parseProxyNode({ id, metadata: { SERVICE_ACCOUNT: 'bookinfo', LABELS: { app: 'reviews', odd: 7 } } })

  assert.deepEqual(parsed, {
    ok: true,
    value: {
      id: 'sidecar~10.0.0.7~reviews-v1.2.default~default.svc.cluster.local',
      type: 'sidecar',
      address: '10.0.0.7',
      workload: 'reviews-v1.2',
      namespace: 'default',
      domain: 'default.svc.cluster.local',
      serviceAccount: 'bookinfo',
      labels: { app: 'reviews' },
      isStock: true,
      discoversVirtualHosts: false,
    },
  })
})

for (const id of [
  '',
  'sidecar',
  'waypoint~a~b.c~d',
  'sidecar~a~noNamespace~d',
  'sidecar~a~.ns~d',
  'sidecar~a~name.~d',
  'sidecar~a~b.c~d~e',
]) {
  test(`'${id}' is no node id`, () => {
    const parsed = parseProxyNode({ id })

    assert.equal(parsed.ok, false)
  })
}

const ID = 'sidecar~10.0.0.7~reviews-v1.default~default.svc.cluster.local'

for (const [who, node, discovers] of [
  ['ours', { metadata: { LATEEN_VERSION: '0.1.0' } }, true],
  ['Envoy 1.40', { userAgentName: 'envoy', userAgentBuildVersion: { version: { majorNumber: 1, minorNumber: 40 } } }, true],
  ['Envoy 1.36', { userAgentName: 'envoy', userAgentBuildVersion: { version: { majorNumber: 1, minorNumber: 36 } } }, false],
  ['a proxyless client', { userAgentName: 'gRPC Go' }, false],
] as const) {
  test(`${who} ${discovers ? 'takes' : 'does not take'} virtual hosts as resources of their own`, () => {
    const parsed = parseProxyNode({ id: ID, ...node })

    assert.equal(parsed.ok && parsed.value.discoversVirtualHosts, discovers)
  })
}
