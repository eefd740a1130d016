import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cluster } from '../../../test/dataplane/configs.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { TimerWheel } from '../../base/timer-wheel.ts'
import { LocalSecretStore } from '../certs/local-secret-store.ts'
import type { Cluster } from '../config/proxy-config.ts'
import { ClusterRuntime } from './cluster-runtime.ts'

function runtime(overrides: Partial<Cluster>): ClusterRuntime {
  return new ClusterRuntime(cluster('passthrough', [], { discovery: 'original-destination', ...overrides }), {
    clock: systemClock,
    wheel: new TimerWheel(systemClock, 10),
    random: () => 0.5,
    secrets: new LocalSecretStore(systemClock, silentLogger),
  })
}

test('of thousands of original destinations only those in use and some more are remembered', () => {
  const passthrough = runtime({})
  const used = passthrough.pickOriginal('10.0.0.1', 443)
  used.activeRequests++
  for (let at = 0; at < 5000; at++) passthrough.pickOriginal(`10.1.${at >> 8}.${at & 255}`, 443)
  assert.ok(passthrough.status().endpoints.length <= 256)
  assert.equal(passthrough.pickOriginal('10.0.0.1', 443), used)
})

test('an original destination is called from the address of its own family', () => {
  const inbound = runtime({ bindAddress: '127.0.0.6', otherBindAddress: '::6' })
  assert.equal(inbound.pickOriginal('10.0.0.1', 80).pool.target.bindAddress, '127.0.0.6')
  assert.equal(inbound.pickOriginal('fd00::1', 80).pool.target.bindAddress, '::6')
})

test('a changed cluster is in force for destinations that were called before', () => {
  const inbound = runtime({})
  const before = inbound.pickOriginal('10.0.0.1', 80).pool
  inbound.update(cluster('passthrough', [], { discovery: 'original-destination', upstreamProtocol: 'http2' }))
  assert.notEqual(inbound.pickOriginal('10.0.0.1', 80).pool, before)
})
