// Load from one pod of the mesh to another while something changes: open loop, POST, no retries in client or proxy, every request
// accounted for. What Lateen promises about changes is measured with this.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { assertNoneLost, describeLoad } from '../../harness/accounting.ts'
import type { LoadReport } from '../../harness/load.ts'
import { apply, awaitCondition, type Condition } from './kubectl.ts'
import { type AppOptions, type Caller, callerIn, deploy } from './workloads.ts'

const RATE = 200
const WARM_UP_SECONDS = 3

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

export async function withClientAndServer(
  namespace: string,
  replicas: number,
  annotations: Readonly<Record<string, string>> = {},
  more: Pick<AppOptions, 'container' | 'spec'> = {},
): Promise<Caller> {
  await apply([NO_RETRIES], namespace)
  await deploy(namespace, { name: 'client' }, { name: 'server', replicas, annotations, ...more })
  // Known to be in force: with Lateen's default retries nothing would be proven.
  const inForce = (condition: Condition): boolean => condition.type === 'Programmed' && condition.status === 'True'
  await awaitCondition('virtualservice', 'server', namespace, inForce, 'programmed')
  return callerIn(namespace, 'app=client')
}

export type Protocol = 'HTTP/1.1' | 'HTTP/2' | 'gRPC'

/** With the short names that a namespace can have. */
export const PROTOCOLS: readonly (readonly [Protocol, string])[] = [
  ['HTTP/1.1', 'http1'],
  ['HTTP/2', 'http2'],
  ['gRPC', 'grpc'],
]

/** HTTP/2 goes to the port of HTTP/1.1, whose server speaks nothing else: the proxies are in between. */
function sendLoad(client: Caller, protocol: Protocol, seconds: number): Promise<LoadReport> {
  const grpc = protocol === 'gRPC'
  const port = grpc ? 8081 : 8080
  const plan = {
    ...{ host: 'server', port, connections: 64, ratePerSecond: RATE, durationMs: seconds * 1000 },
    ...{ method: 'POST' as const, path: '/pay', body: 'amount=10', countHeader: 'x-answered-by' },
  }
  if (grpc)
    return client.loadHttp2({ ...plan, grpc, path: '/e2e.Echo/Who', headers: { 'content-type': 'application/grpc', te: 'trailers' } })
  if (protocol === 'HTTP/2') return client.loadHttp2({ ...plan, grpc, headers: { 'content-type': 'text/plain' } })
  return client.load({ ...plan, headers: { host: `server:${port}`, 'content-type': 'text/plain' } })
}

/** `seconds` of load, during which `change` happens; fails when a request was lost. */
export async function under(
  t: TestContext,
  client: Caller,
  seconds: number,
  change: () => Promise<void>,
  protocol: Protocol = 'HTTP/1.1',
): Promise<LoadReport> {
  // Not judged: the first requests of a fresh process are slow, and what is asked here is what the change costs.
  await sendLoad(client, protocol, WARM_UP_SECONDS)
  const load = sendLoad(client, protocol, seconds)
  const changed = change().then(
    () => undefined,
    (error: unknown) => ({ error }),
  )
  // Both are awaited in any case: a failed change must not leave a load behind that nobody waits for.
  const [report, failed] = await Promise.all([load, changed])
  t.diagnostic(`${protocol}: ${describeLoad(report)}`)
  if (failed !== undefined) throw failed.error
  assert.ok(report.sent >= seconds * RATE * 0.95, `only ${report.sent} were sent`)
  assertNoneLost(report)
  return report
}
