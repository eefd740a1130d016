// Every change that happens in a cluster, under every protocol: no request is lost.
import assert from 'node:assert/strict'
import { awaitPods, kubectl, readyPods, run } from '../harness/kubectl.ts'
import { PROTOCOLS, under, withClientAndServer } from '../harness/load-under.ts'
import { rotateUnderLoad } from '../harness/rotation.ts'
import { SYSTEM, story } from '../harness/story.ts'

interface Drill {
  readonly name: string
  readonly told: string
  readonly replicas: number
  readonly seconds: number
  readonly change: (namespace: string) => Promise<void>
}

const DRILLS: readonly Drill[] = [
  { name: 'rolling', told: 'a rolling restart', replicas: 2, seconds: 30, change: restartServer },
  { name: 'scaling', told: 'scaling down', replicas: 3, seconds: 20, change: scaleDown },
  { name: 'eviction', told: 'evictions that respect the budget', replicas: 2, seconds: 40, change: evictAll },
  { name: 'killed', told: 'a control plane that is killed', replicas: 2, seconds: 20, change: killControlPlane },
]

async function restartServer(namespace: string): Promise<void> {
  await kubectl('rollout', 'restart', 'deployment/server', '-n', namespace)
  await kubectl('rollout', 'status', 'deployment/server', '-n', namespace, '--timeout=60s')
}

async function scaleDown(namespace: string): Promise<void> {
  await kubectl('scale', 'deployment/server', '-n', namespace, '--replicas=1')
  await awaitPods(namespace, 'app=server', 1)
}

/** As `kubectl drain` does, which waits when the budget allows no eviction. */
async function evictAll(namespace: string): Promise<void> {
  await kubectl('create', 'poddisruptionbudget', 'server', '-n', namespace, '--selector=app=server', '--min-available=1')
  for (const { metadata } of await readyPods(namespace, 'app=server')) {
    const eviction = { apiVersion: 'policy/v1', kind: 'Eviction', metadata: { name: metadata.name, namespace } }
    await run(
      'kubectl',
      ['create', '--raw', `/api/v1/namespaces/${namespace}/pods/${metadata.name}/eviction`, '-f', '-'],
      JSON.stringify(eviction),
    )
    await awaitPods(namespace, 'app=server', 2)
  }
}

async function killControlPlane(): Promise<void> {
  await kubectl('delete', 'pod', '-n', SYSTEM, '-l', 'app=lateen-control-plane', '--grace-period=0', '--force')
  await kubectl('rollout', 'status', 'deployment/lateen-control-plane', '-n', SYSTEM, '--timeout=60s')
}

for (const { name, told, replicas, seconds, change } of DRILLS) {
  for (const [protocol, short] of PROTOCOLS) {
    story(`drill-${name}-${short}`, `${protocol}: ${told} loses no request`, async ({ namespace }, t) => {
      const client = await withClientAndServer(namespace, replicas)
      const report = await under(t, client, seconds, () => change(namespace), protocol)
      assert.ok(Object.keys(report.counted).length >= 1)
    })
  }
}

for (const [protocol, short] of PROTOCOLS) {
  story(`drill-rotation-${short}`, `${protocol}: certificates that are renewed lose no request`, ({ namespace }, t) =>
    rotateUnderLoad(namespace, t, protocol),
  )
}
