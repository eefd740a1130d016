// What changes in the cluster costs no request: every request that was sent is answered once, with 200, at its first attempt. Open loop,
// 200 a second, POST, no retries in client or proxy.
import assert from 'node:assert/strict'
import { awaitPods, kubectl } from './harness/kubectl.ts'
import { under, withClientAndServer } from './harness/load-under.ts'
import { rotateUnderLoad } from './harness/rotation.ts'
import { SYSTEM, story } from './harness/story.ts'

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

story('rotation', 'certificates that live two minutes are renewed on both sides under load', ({ namespace }, t) =>
  rotateUnderLoad(namespace, t, 'HTTP/1.1'),
)
