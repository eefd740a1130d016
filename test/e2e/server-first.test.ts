// A protocol in which the server speaks first, with a real database: nothing hangs, with and without a sidecar at the caller.
import assert from 'node:assert/strict'
import { apply, awaitPods } from './harness/kubectl.ts'
import { story } from './harness/story.ts'
import { callerIn, deploy } from './harness/workloads.ts'

const MARIADB_IMAGE = 'lateen/e2e-mariadb:dev'

story(
  'database',
  'a MariaDB greets its client through two sidecars, on a port that says nothing of its protocol',
  async ({ namespace }) => {
    await apply(
      [
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
                    image: MARIADB_IMAGE,
                    imagePullPolicy: 'IfNotPresent',
                    ports: [{ containerPort: 3306 }],
                    readinessProbe: { tcpSocket: { port: 3306 }, periodSeconds: 1 },
                  },
                ],
              },
            },
          },
        },
      ],
      namespace,
    )
    await deploy(namespace, { name: 'client' })
    await awaitPods(namespace, 'app=db', 1)
    const client = await callerIn(namespace, 'app=client')
    const startedAt = performance.now()
    const greeting = await client.firstBytes('db', 3306)
    assert.match(greeting, /MariaDB/)
    assert.ok(performance.now() - startedAt < 5000, 'it does not wait for a client that waits')
  },
)
