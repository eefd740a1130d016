// A protocol in which the server speaks first, with a real database: nothing hangs, with and without a sidecar at the caller.
import assert from 'node:assert/strict'
import { waitFor } from '../harness/wait.ts'
import { apply, awaitPods, get, kubectl } from './harness/kubectl.ts'
import { story } from './harness/story.ts'
import { callerIn, deploy } from './harness/workloads.ts'

const MARIADB = { image: 'lateen/e2e-mariadb:dev', imagePullPolicy: 'IfNotPresent' }
/** Waiting for a client that waits for us would take a second at the least (inbound), or for ever. */
const AT_ONCE_MS = 1000
/** An answer of some size: two million octets and a line break. */
const LARGE_ANSWER =
  'mariadb --host=db --user=e2e --password=e2e --skip-column-names --execute="SELECT REPEAT(\'lateen  \', 250000)" | wc -c'

const DATABASE = [
  {
    apiVersion: 'v1',
    kind: 'Service',
    metadata: { name: 'db' },
    spec: { selector: { app: 'db' }, ports: [{ name: 'sql', port: 3306 }] },
  },
  {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata: { name: 'db' },
    spec: {
      selector: { matchLabels: { app: 'db' } },
      template: {
        metadata: { labels: { app: 'db' } },
        spec: {
          containers: [
            {
              name: 'mariadb',
              ...MARIADB,
              ports: [{ containerPort: 3306 }],
              readinessProbe: { tcpSocket: { port: 3306 }, periodSeconds: 1 },
            },
          ],
        },
      },
    },
  },
]

const STRICT = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default' },
  spec: { mtls: { mode: 'STRICT' } },
}

function query(name: string): object {
  const container = { name: 'query', ...MARIADB, command: ['sh', '-c', LARGE_ANSWER] }
  const template = { spec: { restartPolicy: 'Never', containers: [container] } }
  return { apiVersion: 'batch/v1', kind: 'Job', metadata: { name }, spec: { backoffLimit: 0, template } }
}

story(
  'database',
  'a MariaDB greets its client, on a port that says nothing of its protocol: with and without sidecars, and under STRICT',
  async ({ namespace }, t) => {
    await apply(DATABASE, namespace)
    await deploy(namespace, { name: 'client' }, { name: 'stranger', labels: { 'sidecar.istio.io/inject': 'false' } })
    await awaitPods(namespace, 'app=db', 1)
    const [client, stranger] = [await callerIn(namespace, 'app=client'), await callerIn(namespace, 'app=stranger')]

    const startedAt = performance.now()
    assert.match(await client.firstBytes('db', 3306), /MariaDB/)
    const tookMs = performance.now() - startedAt
    t.diagnostic(`greeted in the mesh after ${Math.round(tookMs)} ms`)
    assert.ok(tookMs < AT_ONCE_MS, `it took ${Math.round(tookMs)} ms`)
    assert.match(await stranger.firstBytes('db', 3306), /MariaDB/, 'PERMISSIVE lets those in who have no sidecar')

    await apply([STRICT], namespace)
    await waitFor(async () => (await stranger.firstBytes('db', 3306).catch(() => '')) === '', {
      what: 'STRICT in force',
      timeoutMs: 10_000,
    })
    await apply([query('query')], namespace)
    await waitFor(async () => (await get('job', 'query', namespace)).status?.succeeded === 1, { what: 'the query', timeoutMs: 60_000 })
    assert.equal((await kubectl('logs', 'job/query', '-c', 'query', '-n', namespace)).trim(), '2000001')
  },
)
