// Load from one pod of the mesh to another while something changes: open loop, POST, no retries in client or proxy, every request
// accounted for. What Lateen promises about changes is measured with this.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { assertNoneLost, describeLoad } from '../../harness/accounting.ts'
import type { LoadReport } from '../../harness/load.ts'
import { apply, awaitCondition, type Condition } from './kubectl.ts'
import { type Caller, callerIn, deploy } from './workloads.ts'

const RATE = 200

function routeOf(port: number): object {
  return { match: [{ port }], route: [{ destination: { host: 'server', port: { number: port } } }], retries: { attempts: 0 } }
}

/** No retries, so that what the mesh loses is seen. */
const NO_RETRIES = {
  apiVersion: 'networking.istio.io/v1',
  kind: 'VirtualService',
  metadata: { name: 'server' },
  spec: { hosts: ['server'], http: [8080, 8081].map(routeOf) },
}

export async function withClientAndServer(namespace: string, replicas: number): Promise<Caller> {
  await apply([NO_RETRIES], namespace)
  await deploy(namespace, { name: 'client' }, { name: 'server', replicas })
  // Known to be in force: with Lateen's default retries nothing would be proven.
  const inForce = (condition: Condition): boolean => condition.type === 'Programmed' && condition.status === 'True'
  await awaitCondition('virtualservice', 'server', namespace, inForce, 'programmed')
  return callerIn(namespace, 'app=client')
}

/** `seconds` of load, during which `change` happens; fails when a request was lost. */
export async function under(t: TestContext, client: Caller, seconds: number, change: () => Promise<void>): Promise<LoadReport> {
  const load = client.load({
    ...{ host: 'server', port: 8080, connections: 64, ratePerSecond: RATE, durationMs: seconds * 1000 },
    ...{ method: 'POST', path: '/pay', headers: { host: 'server:8080', 'content-type': 'text/plain' }, body: 'amount=10' },
    countHeader: 'x-answered-by',
  })
  // Both are awaited in any case: a failed change must not leave a load behind that nobody waits for.
  const [report, changed] = await Promise.all([
    load,
    Promise.resolve(change()).then(
      () => undefined,
      (error: unknown) => ({ error }),
    ),
  ])
  t.diagnostic(describeLoad(report))
  if (changed !== undefined) throw changed.error
  assert.ok(report.sent >= seconds * RATE * 0.95, `only ${report.sent} were sent`)
  assertNoneLost(report)
  return report
}
