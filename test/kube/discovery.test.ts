// A real cluster as the source of the mesh: its pods come, answer, terminate and go, and the mesh says so. In a namespace of this test's own.
// The cluster must have the image node:24-bookworm-slim, because it pulls none (`cluster load node:24-bookworm-slim`).
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { createKubeClient, type KubeClient } from '../../src/kube/client.ts'
import { loadConnection } from '../../src/kube/load-connection.ts'
import { type KubernetesKind, resourceOf } from '../../src/kube/resource.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../src/model/mesh-snapshot.ts'
import type { Endpoint } from '../../src/model/service.ts'
import { createMeshCompiler } from '../../src/operator/compile/compile-mesh.ts'
import { KubernetesSource } from '../../src/operator/ingest/kubernetes-source.ts'
import { waitFor } from '../harness/wait.ts'

const kubeconfig = process.env.LATEEN_TEST_KUBECONFIG
const skip = kubeconfig === undefined ? 'needs an API server: set LATEEN_TEST_KUBECONFIG to a kubeconfig of a cluster for tests' : false

interface Scene {
  readonly namespace: string
  readonly source: KubernetesSource
  create(kind: KubernetesKind, name: string, body: Readonly<Record<string, unknown>>): Promise<void>
  remove(kind: KubernetesKind, name: string): Promise<void>
  mesh(): MeshSnapshot
  endpoints(service: string, port?: number): readonly Endpoint[]
}

async function connect(t: TestContext): Promise<KubeClient> {
  const connection = await loadConnection({ clock: systemClock, env: process.env, kubeconfig })
  assert.ok(connection.ok)
  const client = createKubeClient(connection.value, { clock: systemClock })
  t.after(() => client.close())
  return client
}

async function scene(t: TestContext): Promise<Scene> {
  const client = await connect(t)
  const namespace = `test-discovery-${systemRandom().toString(36).slice(2, 8)}`
  assert.ok((await client.create(resourceOf('Namespace'), { metadata: { name: namespace } })).ok)
  t.after(() => client.delete(resourceOf('Namespace'), { name: namespace }))
  const source = new KubernetesSource({
    ...{ client, clock: systemClock, random: systemRandom, log: silentLogger, check: { defaultNamespace: 'default', compileRegex } },
    ...{ systemNamespace: namespace, meshConfigMap: 'lateen', revision: 'default', namespaces: [] },
  })
  t.after(() => source.stop())
  await source.start()
  const compiler = createMeshCompiler()
  const settings = { ...DEFAULT_MESH_SETTINGS, rootNamespace: namespace }
  const mesh = (): MeshSnapshot =>
    compiler.compile({
      ...{ state: source.current.value.state, ready: source.ready.value, settings, compileRegex },
      ...{ addresses: { strategy: 'loopback', workloads: {} }, capture: 'redirect' },
    }).snapshot
  return {
    ...{ namespace, source, mesh },
    create: async (kind, name, body) => {
      const made = await client.create(resourceOf(kind), { metadata: { name, namespace }, ...body })
      assert.ok(made.ok, made.ok ? '' : made.failure.message)
    },
    remove: async (kind, name) => assert.ok((await client.delete(resourceOf(kind), { namespace, name })).ok),
    endpoints: (service, port = 80) => {
      const found = mesh().endpoints.get(`${service}.${namespace}.svc.cluster.local`)
      return found?.ports.find((each) => each.port === port)?.endpoints ?? []
    },
  }
}

/** Answers on port 8080, and takes its time when it is told to end. */
const SERVER =
  "require('http').createServer((_, a) => a.end('x')).listen(8080); process.on('SIGTERM', () => setTimeout(process.exit, 8000))"

function template(app: string): object {
  const container = {
    ...{ name: 'app', image: 'node:24-bookworm-slim', imagePullPolicy: 'IfNotPresent', command: ['node', '-e', SERVER] },
    ports: [{ name: 'http', containerPort: 8080 }],
    readinessProbe: { tcpSocket: { port: 8080 }, periodSeconds: 1 },
  }
  return { metadata: { labels: { app, 'security.istio.io/tlsMode': 'istio' } }, spec: { containers: [container] } }
}

const patience = { timeoutMs: 60_000 }

test('the pods of a Deployment come, answer, terminate and go', { skip, timeout: 180_000 }, async (t) => {
  const { create, remove, endpoints, mesh, namespace } = await scene(t)
  await create('Service', 'web', { spec: { selector: { app: 'web' }, ports: [{ name: 'http', port: 80, targetPort: 'http' }] } })
  await create('Deployment', 'web-v1', {
    spec: { replicas: 1, selector: { matchLabels: { app: 'web' } }, template: template('web') },
  })
  await waitFor(() => endpoints('web').length === 1 && endpoints('web')[0]?.health === 'healthy', {
    what: 'a pod that answers',
    ...patience,
  })

  const [endpoint] = endpoints('web')
  assert.equal(endpoint?.port, 8080)
  assert.equal(endpoint.acceptsMutualTls, true)
  assert.deepEqual(endpoint.workload, { name: 'web-v1', namespace, app: 'web', version: 'latest' })
  assert.notEqual(endpoint.locality.zone, '', 'where its node is')
  const service = mesh().services.get(`web.${namespace}.svc.cluster.local`)
  assert.equal(service?.addresses.length, 1)

  await remove('Deployment', 'web-v1')
  await waitFor(() => endpoints('web')[0]?.health === 'draining', { what: 'a pod that terminates', ...patience })
  await waitFor(() => endpoints('web').length === 0, { what: 'no pod', ...patience })
})

test('a Service without a selector has the endpoints of its slices, and the mesh config is read again when it changes', {
  skip,
  timeout: 60_000,
}, async (t) => {
  const { create, endpoints, mesh, namespace } = await scene(t)
  await create('Service', 'far', { spec: { ports: [{ name: 'http', port: 80 }] } })
  await create('EndpointSlice', 'far-1', {
    metadata: { name: 'far-1', namespace, labels: { 'kubernetes.io/service-name': 'far' } },
    ...{ addressType: 'IPv4', ports: [{ name: 'http', port: 8080 }], endpoints: [{ addresses: ['198.51.100.1'] }] },
  })
  await waitFor(() => endpoints('far').length === 1, { what: 'an endpoint', ...patience })
  assert.deepEqual(
    endpoints('far').map(({ host, port, health }) => `${host}:${port} ${health}`),
    ['198.51.100.1:8080 healthy'],
  )

  assert.equal(mesh().settings.automaticMutualTls, true)
  await create('ConfigMap', 'lateen', { data: { mesh: 'enableAutoMtls: false' } })
  await waitFor(() => !mesh().settings.automaticMutualTls, { what: 'the new settings', ...patience })
})
