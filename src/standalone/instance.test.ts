// What makes an instance start anew, and what does not.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { LocalWorkload } from '../api/generated/local-workload.gen.ts'
import type { WorkloadAddresses } from '../model/address-plan.ts'
import { instanceFingerprint } from './instance.ts'

const at = (port: number): { readonly host: string; readonly port: number } => ({ host: '127.1.1.1', port })
const addresses: WorkloadAddresses = {
  workload: 'default/a',
  address: '127.1.1.1',
  admin: at(15_000),
  health: at(15_021),
  metrics: at(15_090),
  httpProxy: at(15_001),
  inbound: [],
  outbound: [],
}

const workload = (spec: LocalWorkload['spec']): LocalWorkload => ({
  apiVersion: 'lateen.dev/v1alpha1',
  kind: 'LocalWorkload',
  metadata: { name: 'a', namespace: 'default', labels: {}, annotations: {} },
  spec,
})

test('another number of replicas leaves those that stay as they are', () => {
  const one = instanceFingerprint(workload({ command: ['a'], replicas: 1 }), addresses)
  assert.equal(instanceFingerprint(workload({ command: ['a'], replicas: 2 }), addresses), one)
  assert.notEqual(instanceFingerprint(workload({ command: ['b'], replicas: 1 }), addresses), one)
})

test('a new service elsewhere does not replace an instance; a new published port does', () => {
  const before = instanceFingerprint(workload({}), addresses)
  const withOutbound = (published: boolean): WorkloadAddresses => ({
    ...addresses,
    outbound: [{ service: 'default/b', port: 80, listen: at(80), published }],
  })
  assert.equal(instanceFingerprint(workload({}), withOutbound(false)), before)
  assert.notEqual(instanceFingerprint(workload({}), withOutbound(true)), before)
})
