import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type SpiffeId, workloadSpiffeId } from '../../identity/spiffe-id.ts'
import { whyNotWorkload } from './why-not-workload.ts'

const TRUST = { trustDomain: 'cluster.local', bundle: { roots: [], pem: '', hash: '' } }
const NODE = { namespace: 'shop', workload: 'web-1', type: 'sidecar' } as const
const ROUTER = { ...NODE, type: 'router' } as const

function identityOf(serviceAccount: string): SpiffeId {
  const id = workloadSpiffeId({ trustDomain: 'cluster.local', namespace: 'shop', serviceAccount })
  assert.ok(id.ok)
  return id.value
}

test('a sidecar that calls itself a router is not served; a gateway is', () => {
  const runsAs = { serviceAccount: 'web', isGateway: false }
  assert.equal(whyNotWorkload(NODE, runsAs, identityOf('web'), TRUST), undefined)
  assert.match(
    whyNotWorkload(ROUTER, runsAs, identityOf('web'), TRUST) ?? '',
    /says 'router', but the workload shop\/web-1 is not a gateway/,
  )
  assert.equal(whyNotWorkload(ROUTER, { ...runsAs, isGateway: true }, identityOf('web'), TRUST), undefined)
})

test('the certificate of another account is not served, gateway or not', () => {
  for (const node of [NODE, ROUTER])
    assert.match(
      whyNotWorkload(node, { serviceAccount: 'web', isGateway: true }, identityOf('other'), TRUST) ?? '',
      /runs as service account 'web', but the certificate is for spiffe:\/\/cluster\.local\/ns\/shop\/sa\/other/,
    )
})
