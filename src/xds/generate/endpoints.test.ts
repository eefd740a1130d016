// What clients are told of those who do not answer, or go: the last step before Envoy's words. Goldens show the messages as a whole.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { Subset } from '../../model/destination-policy.ts'
import { DEFAULT_MESH_SETTINGS } from '../../model/mesh-settings.ts'
import { type Endpoint, type MeshService, NO_LOCALITY } from '../../model/service.ts'
import { NO_TRAFFIC_POLICY } from '../../model/traffic-policy.ts'
import { loadAssignment } from './endpoints.ts'

const origin = { apiVersion: 'v1', kind: 'Service', namespace: 'default', name: 'a' }
const SUBSET: Subset = { name: 'v1', labels: { version: 'v1' }, traffic: NO_TRAFFIC_POLICY, field: 'spec.subsets[0]', origin }

const service: MeshService = {
  ...{ hostname: 'a.default.svc.cluster.local', namespace: 'default', name: 'a', addresses: ['10.9.0.1'], ports: [] },
  ...{ resolution: 'endpoints', isExternal: false, subjectAltNames: [], hasShortNames: true, visibility: 'public', origin },
}

function endpoint(text: string, index: number): Endpoint {
  const [health = '', version = 'v1'] = text.split(' ')
  assert.ok(health === 'healthy' || health === 'unhealthy' || health === 'draining')
  const workload = { name: 'w', namespace: 'default', app: 'w', version }
  const at = { host: `10.0.0.${index + 1}`, port: 8080, locality: NO_LOCALITY, weight: 1, acceptsMutualTls: true }
  return { ...at, health, labels: { version }, workload }
}

/** What is said of each endpoint, in order. */
function told(endpoints: readonly string[], subset?: Subset): readonly (string | undefined)[] {
  const ports = [{ port: 80, endpoints: endpoints.map(endpoint) }]
  const view = {
    ...{ service, policy: undefined, route: undefined },
    endpoints: { hostname: service.hostname, identities: [], allTakeMutualTls: true, ports },
  }
  const members = { view, port: 80, subset, policy: NO_TRAFFIC_POLICY }
  const { endpoints: groups = [] } = loadAssignment('c', members, { settings: DEFAULT_MESH_SETTINGS, isStock: false, place: undefined })
  return groups.flatMap(({ lbEndpoints = [] }) => lbEndpoints.map(({ healthStatus }) => String(healthStatus)))
}

test('nothing new goes to an endpoint that drains while another is healthy', () => {
  assert.deepEqual(told(['healthy', 'draining', 'unhealthy']), ['HEALTHY', 'DRAINING', 'UNHEALTHY'])
})

test('when nobody is healthy, those that drain are called, and never those that do not answer', () => {
  assert.deepEqual(told(['unhealthy', 'draining', 'draining']), ['UNHEALTHY', 'HEALTHY', 'HEALTHY'])
  assert.deepEqual(told(['unhealthy', 'unhealthy']), ['UNHEALTHY', 'UNHEALTHY'])
})

test('a subset of which all members drain is called, though another subset is healthy', () => {
  assert.deepEqual(told(['draining v1', 'healthy v2'], SUBSET), ['HEALTHY'])
  assert.deepEqual(told(['draining v1', 'healthy v2']), ['DRAINING', 'HEALTHY'])
})
