import assert from 'node:assert/strict'
import { test } from 'node:test'
import { policyFor, type TrafficPolicy } from './traffic-policy.ts'

const RULE: TrafficPolicy = {
  pool: { maxRequests: 1 },
  outliers: { splitsLocalErrors: false, minHealthPercent: 0 },
  proxyProtocol: 'v1',
  ports: { 80: { pool: { maxRequests: 2 } } },
}

test('a port replaces the whole policy, but for what is said of all ports', () => {
  assert.deepEqual(policyFor(RULE, undefined, 80), { pool: { maxRequests: 2 }, proxyProtocol: 'v1' })
  const { ports: _ports, ...general } = RULE
  assert.deepEqual(policyFor(RULE, undefined, 81), general)
})

test('a subset\u2019s block stands before the rule\u2019s, at the rule\u2019s ports too', () => {
  const subset: TrafficPolicy = { balancing: { algorithm: 'random' }, ports: {} }

  assert.deepEqual(policyFor(RULE, subset, 80), { pool: { maxRequests: 2 }, balancing: { algorithm: 'random' }, proxyProtocol: 'v1' })
})

test('a subset\u2019s port replaces everything else', () => {
  const subset: TrafficPolicy = { pool: { maxRequests: 3 }, proxyProtocol: 'v2', ports: { 80: { balancing: { algorithm: 'random' } } } }

  assert.deepEqual(policyFor(RULE, subset, 80), { balancing: { algorithm: 'random' }, proxyProtocol: 'v2' })
})
