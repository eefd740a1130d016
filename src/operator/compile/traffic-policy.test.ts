import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LoadBalancerSettings } from '../../api/generated/destination-rule.gen.ts'
import { trafficPolicyOf } from './traffic-policy.ts'

function balancing(loadBalancer: LoadBalancerSettings): unknown {
  return trafficPolicyOf({ loadBalancer }, 'redirect').balancing
}

test('a ring is never larger than what Envoy takes, and has a size when none is said', () => {
  const ring = (minimumRingSize: number): unknown => balancing({ consistentHash: { ringHash: { minimumRingSize } } })

  assert.deepEqual(ring(10_000_000), {
    algorithm: 'least-request',
    hash: { key: undefined, table: { kind: 'ring', minimumSize: 8_388_608 } },
  })
  assert.deepEqual(ring(0), { algorithm: 'least-request', hash: { key: undefined, table: { kind: 'ring', minimumSize: 1024 } } })
})

test('the old spelling of a warm-up counts where the new one is not there', () => {
  const warmup = { durationMs: 30_000, minimumPercent: 10, aggression: 1 }

  assert.deepEqual(balancing({ warmupDurationSecs: '30s' }), { algorithm: 'least-request', warmup })
  assert.deepEqual(balancing({ warmupDurationSecs: '30s', warmup: { duration: '60s', aggression: 2 } }), {
    algorithm: 'least-request',
    warmup: { durationMs: 60_000, minimumPercent: 10, aggression: 2 },
  })
})

test('the client\u2019s address is hashed where that is said, not where it is denied', () => {
  const table = { kind: 'maglev' }

  assert.deepEqual(balancing({ consistentHash: { useSourceIp: true, maglev: {} } }), {
    algorithm: 'least-request',
    hash: { key: { kind: 'source-address' }, table },
  })
  assert.deepEqual(balancing({ consistentHash: { useSourceIp: false, maglev: {} } }), {
    algorithm: 'least-request',
    hash: { key: undefined, table },
  })
})

test('local failures are counted apart only where they are told apart', () => {
  const failures = (splitExternalLocalOriginErrors: boolean): unknown =>
    trafficPolicyOf({ outlierDetection: { consecutiveLocalOriginFailures: 4, splitExternalLocalOriginErrors } }, 'redirect').outliers

  assert.deepEqual(failures(false), { splitsLocalErrors: false, minHealthPercent: 0 })
  assert.deepEqual(failures(true), { consecutiveLocalErrors: 4, splitsLocalErrors: true, minHealthPercent: 0 })
})

test('a destination that is not to be upgraded says so, against the mesh\u2019s default', () => {
  const version = (h2UpgradePolicy: 'DEFAULT' | 'DO_NOT_UPGRADE' | 'UPGRADE'): unknown =>
    trafficPolicyOf({ connectionPool: { http: { h2UpgradePolicy } } }, 'redirect').pool?.httpVersion

  assert.deepEqual([version('DEFAULT'), version('DO_NOT_UPGRADE'), version('UPGRADE')], [undefined, 'keep', 'upgrade'])
})
