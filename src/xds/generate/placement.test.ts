import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type LocalityPreference, NEAR } from '../../model/load-balancing.ts'
import { type Endpoint, type Locality, parseLocality } from '../../model/service.ts'
import type { ClientPlace } from '../view/client-place.ts'
import { type LocalityGroup, placed } from './placement.ts'

function endpoint(locality: Locality, labels: Endpoint['labels']): Endpoint {
  const workload = { name: 'w', namespace: 'default', app: 'w', version: '' }
  return { host: '10.0.0.1', port: 80, health: 'healthy', acceptsMutualTls: false, labels, locality, weight: 1, workload }
}

/** `eu/a/1 x2`: a locality with two endpoints. */
function group(text: string, labels: readonly Endpoint['labels'][] = [{}]): LocalityGroup {
  const [name = '', count = 'x1'] = text.split(' ')
  const locality = parseLocality(name)
  const endpoints = Array.from({ length: Number(count.slice(1)) }, () => labels.map((each) => endpoint(locality, each))).flat()
  return { locality, endpoints, weight: endpoints.length, priority: 0 }
}

function placeAt(text: string, labels: ClientPlace['labels'] = {}): ClientPlace {
  return { key: text, locality: parseLocality(text), labels }
}

function levels(groups: readonly LocalityGroup[], preference: LocalityPreference, place: ClientPlace): readonly string[] {
  return placed(groups, preference, place, 'c').map(
    ({ locality: { region, zone, subzone }, priority, weight }) => `${region}/${zone}/${subzone} p${priority} w${weight}`,
  )
}

const EVERYWHERE = ['ap/x/1', 'eu/a/1 x2', 'eu/a/2', 'eu/b/1', 'us/a/1'].map((each) => group(each))

test('the subzone comes before the zone, the zone before the region, and the region before the rest', () => {
  assert.deepEqual(levels(EVERYWHERE, NEAR, placeAt('eu/a/1')), [
    'ap/x/1 p3 w1',
    'eu/a/1 p0 w2',
    'eu/a/2 p1 w1',
    'eu/b/1 p2 w1',
    'us/a/1 p3 w1',
  ])
})

test('levels leave no gap, wherever the client is', () => {
  assert.deepEqual(levels(EVERYWHERE.slice(3), NEAR, placeAt('us/z/9')), ['eu/b/1 p1 w1', 'us/a/1 p0 w1'])
  assert.deepEqual(levels(EVERYWHERE, NEAR, placeAt('')), ['ap/x/1 p0 w1', 'eu/a/1 p0 w2', 'eu/a/2 p0 w1', 'eu/b/1 p0 w1', 'us/a/1 p0 w1'])
})

test('the region that takes over comes before other regions', () => {
  const failover = [
    { from: 'us', to: 'eu' },
    { from: 'eu', to: 'us' },
  ]

  assert.deepEqual(levels(EVERYWHERE, { ...NEAR, failover }, placeAt('eu/b/1')), [
    'ap/x/1 p3 w1',
    'eu/a/1 p1 w2',
    'eu/a/2 p1 w1',
    'eu/b/1 p0 w1',
    'us/a/1 p2 w1',
  ])
})

test('within zones there are the own region and the others', () => {
  const zones: LocalityPreference = { ...NEAR, kind: 'zones', failover: [{ from: 'eu', to: 'us' }] }

  assert.deepEqual(levels(EVERYWHERE, zones, placeAt('eu/b/1')), [
    'ap/x/1 p2 w1',
    'eu/a/1 p0 w2',
    'eu/a/2 p0 w1',
    'eu/b/1 p0 w1',
    'us/a/1 p1 w1',
  ])
})

test('shares go to what they name, by the weight there; the rest gets nothing', () => {
  const distribute = [
    { from: 'us/*', to: { us: 100 } },
    { from: 'eu/a/*', to: { 'eu/a': 70, us: 30 } },
    { from: '*', to: { ap: 100 } },
  ]

  assert.deepEqual(levels(EVERYWHERE, { ...NEAR, distribute }, placeAt('eu/a/2')), ['eu/a/1 p0 w47', 'eu/a/2 p0 w24', 'us/a/1 p0 w30'])
  assert.deepEqual(levels(EVERYWHERE, { ...NEAR, distribute }, placeAt('')), ['ap/x/1 p0 w100'])
})

test('shares for clients elsewhere change nothing', () => {
  const distribute = [{ from: 'us/*', to: { us: 100 } }]

  assert.deepEqual(levels(EVERYWHERE.slice(0, 2), { ...NEAR, distribute }, placeAt('eu/a/2')), ['ap/x/1 p0 w1', 'eu/a/1 p0 w2'])
})

test('labels in their order: who differs in an early one comes later; a value may be said instead of the client\u2019s', () => {
  const groups = [
    group('eu/a/1', [
      { rack: '1', tier: 'x' },
      { rack: '2', tier: 'gold' },
      { rack: '1', tier: 'gold' },
    ]),
    group('us/a/1', [{ rack: '1' }]),
  ]
  const failoverPriority = ['topology.kubernetes.io/region', 'rack', 'tier=gold']
  const place = placeAt('eu/z/9', { 'topology.kubernetes.io/region': 'eu', rack: '1' })

  assert.deepEqual(levels(groups, { ...NEAR, failoverPriority }, place), ['eu/a/1 p0 w1', 'eu/a/1 p1 w1', 'eu/a/1 p2 w1', 'us/a/1 p3 w1'])
})

test('nothing is placed where nothing asks', () => {
  assert.equal(placed(EVERYWHERE, undefined, placeAt('eu/a/1'), 'c'), EVERYWHERE)
})
