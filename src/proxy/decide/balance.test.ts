import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { seededRandom } from '../../base/random.ts'
import { type BalancedHost, type BalancerKind, createBalancerState, NO_HOST, pickHost, planHosts } from './balance.ts'
import { weightedCluster } from './route.fixture.ts'
import { chooseCluster } from './weighted.ts'

const host = (fields: Partial<BalancedHost> = {}): BalancedHost => ({ weight: 1, priority: 0, health: 'healthy', ...fields })

function counts(
  hosts: readonly BalancedHost[],
  kind: BalancerKind,
  picks: number,
  active: (index: number) => number = () => 0,
  panic = 50,
): number[] {
  const plan = planHosts(hosts, panic)
  const state = createBalancerState()
  const random = seededRandom(1)
  const result = hosts.map(() => 0)
  for (let index = 0; index < picks; index++) {
    const picked = pickHost(plan, kind, state, { random, active, choiceCount: 2 })
    if (picked === NO_HOST) return []
    result[picked] = (result[picked] ?? 0) + 1
  }
  return result
}

/** Within four standard deviations of a binomial; the seed makes the answer the same every time. */
function assertShare(count: number, picks: number, share: number): void {
  assert.ok(
    Math.abs(count - picks * share) <= 4 * Math.sqrt(picks * share * (1 - share)) + 1,
    `${count} of ${picks}, expected share ${share}`,
  )
}

test('each weighted cluster gets its share, whatever the weights', () => {
  fc.assert(
    fc.property(fc.array(fc.integer({ min: 0, max: 100 }), { minLength: 2, maxLength: 6 }), fc.integer(), (weights, seed) => {
      const total = weights.reduce((sum, weight) => sum + weight, 0)
      fc.pre(total > 0)
      const clusters = weights.map((weight, index) => weightedCluster(String(index), weight))
      const random = seededRandom(seed)
      const found = new Map<string, number>()
      for (let pick = 0; pick < 2000; pick++) {
        const name = chooseCluster({ clusters, totalWeight: total }, random)?.name ?? 'none'
        found.set(name, (found.get(name) ?? 0) + 1)
      }
      for (const [index, weight] of weights.entries()) {
        const count = found.get(String(index)) ?? 0
        if (weight === 0) assert.equal(count, 0)
        else assert.ok(Math.abs(count - (2000 * weight) / total) <= 6 * Math.sqrt((2000 * weight) / total) + 1)
      }
    }),
    { seed: 7, numRuns: 60 },
  )
})

test('a lone cluster takes everything, and rounding never finds none', () => {
  assert.equal(chooseCluster({ clusters: [weightedCluster('a', 0)] }, () => 0.5)?.name, 'a')
  assert.equal(chooseCluster({ clusters: [weightedCluster('a', 1), weightedCluster('b', 0)], totalWeight: 1 }, () => 1)?.name, 'a')
})

test('round robin goes around', () => {
  assert.deepEqual(counts([host(), host(), host()], 'round-robin', 9), [3, 3, 3])
})

test('weighted round robin is exact and has no bursts', () => {
  const hosts = [host({ weight: 5 }), host(), host()]
  assert.deepEqual(counts(hosts, 'round-robin', 70), [50, 10, 10])
  const plan = planHosts(hosts)
  const state = createBalancerState()
  const sequence = Array.from({ length: 7 }, () =>
    pickHost(plan, 'round-robin', state, { random: () => 0, active: () => 0, choiceCount: 2 }),
  )
  assert.deepEqual(sequence, [0, 0, 1, 0, 2, 0, 0])
})

test('least request prefers the less busy of two', () => {
  const [busy = 0, idle = 0] = counts([host(), host()], 'least-request', 4000, (index) => (index === 0 ? 10 : 0))
  assertShare(busy, 4000, 0.25)
  assert.equal(busy + idle, 4000)
})

test('least request with weights follows weight and load', () => {
  const [heavy = 0] = counts([host({ weight: 3 }), host()], 'least-request', 4000)
  assertShare(heavy, 4000, 0.75)
  const [loaded = 0] = counts([host({ weight: 3 }), host()], 'least-request', 4000, (index) => (index === 0 ? 2 : 0))
  assertShare(loaded, 4000, 0.5)
})

test('random follows the weights', () => {
  const [first = 0] = counts([host({ weight: 9 }), host()], 'random', 4000)
  assertShare(first, 4000, 0.9)
})

test('the unhealthy and the draining get nothing while enough are healthy', () => {
  assert.deepEqual(counts([host(), host(), host({ health: 'unhealthy' }), host({ health: 'draining' })], 'round-robin', 8), [4, 4, 0, 0])
})

test('below the panic threshold all are used; without a threshold only the healthy', () => {
  const hosts = [host(), host({ health: 'unhealthy' }), host({ health: 'unhealthy' }), host({ health: 'unhealthy' })]
  assert.deepEqual(counts(hosts, 'round-robin', 8), [2, 2, 2, 2])
  assert.deepEqual(counts(hosts, 'round-robin', 8, undefined, 0), [8, 0, 0, 0])
  assert.deepEqual(counts([host({ health: 'unhealthy' })], 'round-robin', 1, undefined, 0), [])
  assert.deepEqual(counts([], 'least-request', 1), [])
})

test('the next priority takes what the first cannot: 1.4 times its healthy share stays', () => {
  const hosts = [host(), host({ health: 'unhealthy' }), host({ priority: 1 })]
  const [first = 0, , next = 0] = counts(hosts, 'random', 10_000)
  assertShare(first, 10_000, 0.7)
  assertShare(next, 10_000, 0.3)
})

test('a first priority with nobody left passes everything on', () => {
  assert.deepEqual(counts([host({ health: 'unhealthy' }), host({ priority: 1 })], 'round-robin', 5), [0, 5])
})

test('weight 0 is never picked', () => {
  assert.deepEqual(counts([host({ weight: 0 }), host()], 'least-request', 50), [0, 50])
})

test('a host tried before is avoided while another is left, then taken again', () => {
  const plan = planHosts([host(), host()])
  const inputs = { random: () => 0, active: () => 0, choiceCount: 2 }
  assert.equal(
    pickHost(plan, 'random', createBalancerState(), inputs, (index) => index === 0),
    1,
  )
  assert.equal(
    pickHost(plan, 'random', createBalancerState(), inputs, () => true),
    0,
  )
})
