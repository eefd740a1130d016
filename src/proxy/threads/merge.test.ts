import assert from 'node:assert/strict'
import { test } from 'node:test'
import { mergeSnapshots, withoutPresent } from './merge.ts'
import type { ThreadSnapshot } from './protocol.ts'

function snapshot(requests: number, active: number, code = '200'): ThreadSnapshot {
  return {
    families: [
      { name: 'requests_total', help: 'h', type: 'counter', samples: [['', `code="${code}"`, requests]] },
      { name: 'waiting', help: 'h', type: 'gauge', samples: [['', '', active]] },
    ],
    clusters: [
      {
        name: 'a',
        activeRequests: active,
        activeConnections: active,
        totalConnections: requests,
        fullHandshakes: 0,
        resumedHandshakes: 0,
        endpoints: [{ address: '1:1', activeRequests: active, totalRequests: requests, connectFailures: 1, health: 'healthy' }],
      },
    ],
    connections: active,
    requests: active,
  }
}

test('samples of the same name and labels are summed, others stand beside each other', () => {
  const { families, clusters, connections } = mergeSnapshots([snapshot(3, 1), snapshot(4, 2), snapshot(5, 0, '503')])
  assert.deepEqual(families[0]?.samples, [
    ['', 'code="200"', 7],
    ['', 'code="503"', 5],
  ])
  assert.deepEqual(families[1]?.samples, [['', '', 3]])
  assert.equal(connections, 3)
  assert.deepEqual(clusters[0]?.endpoints, [
    { address: '1:1', activeRequests: 3, totalRequests: 12, connectFailures: 3, health: 'healthy' },
  ])
})

test('of a thread that has gone the counters stay and what was in progress goes', () => {
  const { families, clusters, requests } = mergeSnapshots([withoutPresent(snapshot(3, 1)), snapshot(4, 2)])
  assert.deepEqual(families.find(({ name }) => name === 'requests_total')?.samples, [['', 'code="200"', 7]])
  assert.deepEqual(families.find(({ name }) => name === 'waiting')?.samples, [['', '', 2]])
  assert.deepEqual([clusters[0]?.activeRequests, clusters[0]?.totalConnections, requests], [2, 7, 2])
})
