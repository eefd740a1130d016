// Pods of every kind work in the mesh as they work without it: Jobs end, init containers have a network, probes answer under STRICT,
// members of a StatefulSet find each other.
import assert from 'node:assert/strict'
import { waitFor } from '../harness/wait.ts'
import { apply, awaitPods, get, list } from './harness/kubectl.ts'
import { story } from './harness/story.ts'
import { appContainer, callerIn, deploy, E2E_IMAGE, service } from './harness/workloads.ts'

const STRICT = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default' },
  spec: { mtls: { mode: 'STRICT' } },
}

story('job', 'a Job calls a service under STRICT and completes; its init container had the mesh too', async ({ namespace }) => {
  await apply([STRICT], namespace)
  await deploy(namespace, { name: 'server' })
  const calls = { image: E2E_IMAGE, imagePullPolicy: 'IfNotPresent', args: ['call', 'http://server:8080/'] }
  await apply(
    [
      {
        apiVersion: 'batch/v1',
        kind: 'Job',
        metadata: { name: 'once' },
        spec: {
          backoffLimit: 0,
          template: {
            spec: { restartPolicy: 'Never', initContainers: [{ name: 'first', ...calls }], containers: [{ name: 'then', ...calls }] },
          },
        },
      },
    ],
    namespace,
  )
  await waitFor(async () => (await get('job', 'once', namespace)).status?.succeeded === 1, { what: 'the Job', timeoutMs: 60_000 })
})

story('probes', 'probes of all kinds are answered by the application under STRICT', async ({ namespace }) => {
  await apply([STRICT], namespace)
  const probe = { periodSeconds: 1, failureThreshold: 3 }
  const ready = { ...probe, httpGet: { path: '/ready', port: 'http' } }
  const patient = { periodSeconds: 1, failureThreshold: 60, timeoutSeconds: 10 }
  const exec = { ...patient, exec: { command: ['node', '-e', 'process.exit(0)'] } }
  await deploy(
    namespace,
    { name: 'probed', container: { startupProbe: { ...patient, tcpSocket: { port: 8080 } }, livenessProbe: ready, readinessProbe: ready } },
    { name: 'other', container: { startupProbe: exec, livenessProbe: { ...probe, grpc: { port: 8081 } }, readinessProbe: ready } },
  )
  const restarts = async (name: string): Promise<number | undefined> => {
    const [pod] = await list('pods', namespace, `app=${name}`)
    return pod?.status?.containerStatuses?.find((container) => container.name === 'app')?.restartCount
  }
  assert.deepEqual([await restarts('probed'), await restarts('other')], [0, 0])
  const probed = await callerIn(namespace, 'app=probed')
  await probed.setReady(false)
  await waitFor(async () => (await restarts('probed')) === 1, { what: 'a restart for a liveness probe that fails', timeoutMs: 40_000 })
  assert.equal(await restarts('other'), 0)
})

story('stateful', 'members of a StatefulSet reach each other by their own names, with mutual TLS', async ({ namespace }) => {
  await apply(
    [
      STRICT,
      service('peer', { clusterIP: 'None' }),
      {
        apiVersion: 'apps/v1',
        kind: 'StatefulSet',
        metadata: { name: 'peer' },
        spec: {
          serviceName: 'peer',
          replicas: 2,
          selector: { matchLabels: { app: 'peer' } },
          template: {
            metadata: { labels: { app: 'peer' }, annotations: { 'traffic.sidecar.istio.io/excludeInboundPorts': '9999' } },
            spec: { containers: [appContainer()] },
          },
        },
      },
    ],
    namespace,
  )
  await awaitPods(namespace, 'app=peer', 2)
  const caller = await callerIn(namespace, 'app=peer,statefulset.kubernetes.io/pod-name=peer-0')
  for (const peer of ['peer-0', 'peer-1']) {
    const answer = await caller.call({ url: `http://${peer}.peer:8080/` })
    assert.equal(answer.status, 200, `${peer}: ${answer.body}`)
    assert.equal((JSON.parse(answer.body) as { readonly pod: string }).pod, peer)
  }
  assert.equal((await caller.call({ url: 'http://peer:8080/' })).status, 200, 'and by the name of the headless service')
})

story('grpc', 'calls over one gRPC connection are spread over the pods within five percent', async ({ namespace }, t) => {
  await deploy(namespace, { name: 'client' }, { name: 'server', replicas: 3 })
  const client = await callerIn(namespace, 'app=client')
  const counts = await client.grpc('server:8081', 3000)
  t.diagnostic(JSON.stringify(counts))
  assert.equal(Object.keys(counts).length, 3, JSON.stringify(counts))
  for (const [pod, count] of Object.entries(counts)) assert.ok(Math.abs(count - 1000) <= 50, `${pod} answered ${count} of 3000`)
})
