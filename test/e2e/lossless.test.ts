// What changes in the cluster costs no request: every request that was sent is answered once, with 200, at its first attempt. Open loop,
// 200 a second, POST, no retries in client or proxy.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { assertNoneLost, describeLoad } from '../harness/accounting.ts'
import type { LoadReport } from '../harness/load.ts'
import { apply, awaitPods, kubectl } from './harness/kubectl.ts'
import { SYSTEM, story } from './harness/story.ts'
import { type Caller, callerIn, deploy } from './harness/workloads.ts'

const RATE = 200

/** No retries, so that what the mesh loses is seen. */
const NO_RETRIES = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'server' },
  spec: { hosts: ['server'], http: [{ route: [{ destination: { host: 'server' } }], retries: { attempts: 0 } }] },
}

async function under(t: TestContext, client: Caller, seconds: number, change: () => Promise<void>): Promise<LoadReport> {
  const load = client.load({
    ...{ host: 'server', port: 8080, connections: 64, ratePerSecond: RATE, durationMs: seconds * 1000 },
    ...{ method: 'POST', path: '/pay', headers: { host: 'server:8080', 'content-type': 'text/plain' }, body: 'amount=10' },
    countHeader: 'x-answered-by',
  })
  await change()
  const report = await load
  t.diagnostic(describeLoad(report))
  assert.ok(report.sent >= seconds * RATE * 0.95, `only ${report.sent} were sent`)
  assertNoneLost(report)
  return report
}

async function withClientAndServer(namespace: string, replicas: number): Promise<Caller> {
  await apply([NO_RETRIES], namespace)
  await deploy(namespace, { name: 'client' }, { name: 'server', replicas })
  return callerIn(namespace, 'app=client')
}

story('rolling', 'a rolling restart loses no request', async ({ namespace }, t) => {
  const client = await withClientAndServer(namespace, 2)
  const report = await under(t, client, 30, async () => {
    await kubectl('rollout', 'restart', 'deployment/server', '-n', namespace)
    await kubectl('rollout', 'status', 'deployment/server', '-n', namespace, '--timeout=60s')
  })
  assert.ok(Object.keys(report.counted).length >= 3, 'old and new pods answered')
})

story('scaling', 'scaling down loses no request', async ({ namespace }, t) => {
  const client = await withClientAndServer(namespace, 3)
  await under(t, client, 20, async () => {
    await kubectl('scale', 'deployment/server', '-n', namespace, '--replicas=1')
    await awaitPods(namespace, 'app=server', 1)
  })
})

story('outage', 'a control plane that is killed costs no request, and changes go on when it is back', async ({ namespace }, t) => {
  const client = await withClientAndServer(namespace, 2)
  await under(t, client, 20, async () => {
    await kubectl('delete', 'pod', '-n', SYSTEM, '-l', 'app=lateen-control-plane', '--grace-period=0', '--force')
    await kubectl('rollout', 'status', 'deployment/lateen-control-plane', '-n', SYSTEM, '--timeout=60s')
  })
})
