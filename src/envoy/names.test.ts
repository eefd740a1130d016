import assert from 'node:assert/strict'
import { test } from 'node:test'
import {
  inboundClusterName,
  listenerName,
  outboundClusterName,
  outboundSni,
  parseClusterName,
  parseListenerName,
  parseOutboundSni,
  parseRouteConfigName,
  routeConfigName,
} from './names.ts'

const HOST = 'reviews.default.svc.cluster.local'

test('names have the forms that Istio uses', () => {
  assert.equal(outboundClusterName(9080, 'v1', HOST), `outbound|9080|v1|${HOST}`)
  assert.equal(inboundClusterName(9080), 'inbound|9080||')
  assert.equal(outboundSni(9080, '', HOST), `outbound_.9080_._.${HOST}`)
  assert.equal(listenerName('10.0.0.7', 9080), '10.0.0.7_9080')
  assert.equal(routeConfigName(9080), '9080')
  assert.equal(routeConfigName(9080, HOST), `${HOST}:9080`)
})

test('decoding gives back what was encoded', () => {
  for (const [port, subset, host] of [
    [9080, 'v1', HOST],
    [443, '', '*.example.com'],
    [1, 'a-b.c', 'h'],
  ] as const) {
    assert.deepEqual(parseClusterName(outboundClusterName(port, subset, host)), { direction: 'outbound', port, subset, host })
    assert.deepEqual(parseOutboundSni(outboundSni(port, subset, host)), { direction: 'outbound', port, subset, host })
    assert.deepEqual(parseRouteConfigName(routeConfigName(port, host)), { port, host })
  }
  assert.deepEqual(parseClusterName(inboundClusterName(80)), { direction: 'inbound', port: 80, subset: '', host: '' })
  assert.deepEqual(parseListenerName(listenerName('2001:db8::1', 80)), { address: '2001:db8::1', port: 80 })
  assert.deepEqual(parseRouteConfigName('9080'), { port: 9080 })
})

test('names of other forms are not mistaken for ours', () => {
  for (const name of [
    'PassthroughCluster',
    'outbound|x|v1|h',
    'outbound|80|v1',
    'outbound|80|v1|h|i',
    'outbound|70000||h',
    'sideways|80||h',
    '',
  ]) {
    assert.equal(parseClusterName(name), undefined, name)
  }
  for (const sni of ['reviews.default', 'outbound_.x_.v_.h', 'outbound_.80_.v', 'inbound_.80_._.h'])
    assert.equal(parseOutboundSni(sni), undefined, sni)
  for (const name of ['virtualInbound', '_80', 'a_b']) assert.equal(parseListenerName(name), undefined, name)
  assert.equal(parseRouteConfigName(':80'), undefined)
})
