import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import { type ReadonlyWatchable, Watchable } from '../../base/watchable.ts'
import { type FakeApiServer, startApiServer } from '../../kube/api-server.fixture.ts'
import { createKubeClient } from '../../kube/client.ts'
import type { IngestState } from './config-source.ts'
import { KubernetesSource, type KubernetesSourceOptions } from './kubernetes-source.ts'

interface Scene {
  readonly api: FakeApiServer
  open(options?: Partial<KubernetesSourceOptions>): KubernetesSource
}

async function scene(t: TestContext): Promise<Scene> {
  const api = await startApiServer(t)
  const client = createKubeClient(api.connection, { clock: systemClock })
  t.after(() => client.close())
  return {
    api,
    open(options = {}) {
      const source = new KubernetesSource({
        ...{ client, clock: systemClock, random: seededRandom(7), log: silentLogger, check: { defaultNamespace: 'default' } },
        ...{ systemNamespace: 'lateen-system', meshConfigMap: 'lateen', revision: 'default', namespaces: [] },
        ...options,
      })
      t.after(() => source.stop())
      return source
    },
  }
}

function awaited<T>(watchable: ReadonlyWatchable<T>, isRight: (value: T) => boolean): Promise<T> {
  return new Promise((resolve) => {
    if (isRight(watchable.value)) {
      resolve(watchable.value)
      return
    }
    const unwatch = watchable.watch((value) => {
      if (!isRight(value)) return
      unwatch()
      resolve(value)
    })
  })
}

const codes = ({ findings }: IngestState): readonly string[] => findings.map(({ code, object }) => `${code} ${object?.name}`)

function pod(name: string, ready: boolean, more: Readonly<Record<string, unknown>> = {}) {
  return {
    metadata: { name, namespace: 'default', labels: { app: name }, annotations: { 'cni.io/checksum': 'x' }, ...more },
    spec: { nodeName: 'n', serviceAccountName: 'a', containers: [{ name: 'c', image: 'i', ports: [{ name: 'http', containerPort: 80 }] }] },
    status: {
      ...{ phase: 'Running', podIP: '10.1.0.1', podIPs: [{ ip: '10.1.0.1' }] },
      conditions: [{ type: 'Ready', status: ready ? 'True' : 'False' }],
    },
  }
}

function virtualService(host: string, more: object = {}, spec: object = {}) {
  return {
    metadata: { name: 'reviews', namespace: 'default', ...more },
    spec: { hosts: [host], http: [{ route: [{ destination: { host } }] }], ...spec },
  }
}

function meshConfig(mesh: string) {
  return { metadata: { name: 'lateen', namespace: 'lateen-system' }, data: { mesh } }
}

test('what is there is published at once, reduced to what the mesh acts on', async (t) => {
  const { api, open } = await scene(t)
  api.put('Pod', pod('web-0', true))
  api.put('Node', { metadata: { name: 'n', labels: { 'topology.kubernetes.io/zone': 'z', other: 'x' } }, status: { heartbeat: 1 } })
  api.put('Service', { metadata: { name: 'web', namespace: 'default' }, spec: { selector: { app: 'web-0' }, ports: [{ port: 80 }] } })
  const source = open()
  await source.start()

  const { objects, revision } = source.current.value.state
  assert.equal(revision, 1)
  assert.deepEqual([...objects.Service.keys()], ['default/web'])
  assert.deepEqual(objects.Node.get('/n')?.metadata.labels, { 'topology.kubernetes.io/zone': 'z' })
  assert.deepEqual(objects.Pod.get('default/web-0'), {
    apiVersion: 'v1',
    kind: 'Pod',
    metadata: { name: 'web-0', namespace: 'default', labels: { app: 'web-0' }, annotations: {} },
    spec: { serviceAccountName: 'a', nodeName: 'n', containers: [{ ports: [{ name: 'http', containerPort: 80 }] }], initContainers: [] },
    status: { podIP: '10.1.0.1', podIPs: [{ ip: '10.1.0.1' }] },
  })
  assert.deepEqual(source.ready.value, new Set(['default/web-0']))
})

test('of annotations those are kept that the mesh reads, its own role among them', async (t) => {
  const { api, open } = await scene(t)
  const annotations = { 'cni.io/checksum': 'x', 'lateen.dev/injected': '{}', 'lateen.dev/role': 'gateway', 'sidecar.istio.io/status': '{}' }
  api.put('Pod', pod('edge-0', true, { annotations }))
  const source = open()
  await source.start()
  const read = source.current.value.state.objects.Pod.get('default/edge-0')
  assert.deepEqual(read?.metadata.annotations, { 'lateen.dev/role': 'gateway', 'sidecar.istio.io/status': '{}' })
})

test('a pod that turns ready changes who answers, and no object', async (t) => {
  const { api, open } = await scene(t)
  api.put('Pod', pod('web-0', false))
  const source = open()
  await source.start()
  const before = source.current.value
  assert.equal(source.ready.value.size, 0)

  await api.watching('Pod')
  api.put('Pod', pod('web-0', true))
  await awaited(source.ready, (ready) => ready.has('default/web-0'))
  assert.equal(source.current.value, before)

  api.remove('Pod', 'web-0', 'default')
  await awaited(source.current, ({ state }) => state.objects.Pod.size === 0)
  assert.equal(source.ready.value.size, 0)
})

test('a terminating pod says so in its object', async (t) => {
  const { api, open } = await scene(t)
  api.put('Pod', pod('web-0', true, { deletionTimestamp: '2026-01-01T00:00:00Z', finalizers: ['a/b'] }))
  const source = open()
  await source.start()
  assert.equal(source.current.value.state.objects.Pod.get('default/web-0')?.metadata.deletionTimestamp, '2026-01-01T00:00:00Z')
})

test('an object with errors keeps its last good version in force and says so; corrected, it changes', async (t) => {
  const { api, open } = await scene(t)
  api.put('VirtualService', virtualService('reviews'))
  const source = open()
  await source.start()
  const good = source.current.value.state.objects.VirtualService.get('default/reviews')
  assert.ok(good !== undefined)

  await api.watching('VirtualService')
  api.put('VirtualService', virtualService('reviews', {}, { http: [{ timeout: 'soon', route: [{ destination: { host: 'reviews' } }] }] }))
  const broken = await awaited(source.current, ({ findings }) => findings.length > 0)
  assert.equal(broken.state.objects.VirtualService.get('default/reviews'), good)
  assert.ok(codes(broken).includes('LTN0124 reviews'), codes(broken).join())

  api.put('VirtualService', virtualService('ratings'))
  const corrected = await awaited(source.current, ({ findings }) => findings.length === 0)
  assert.deepEqual(corrected.state.objects.VirtualService.get('default/reviews')?.spec.hosts, ['ratings'])
})

test('a status that is written is silence', async (t) => {
  const { api, open } = await scene(t)
  api.put('VirtualService', virtualService('reviews'))
  const source = open()
  await source.start()
  const before = source.current.value
  await api.watching('VirtualService')
  await api.watching('Service')
  api.put('VirtualService', { ...virtualService('reviews'), status: { conditions: [] } })
  api.put('Service', {
    metadata: { name: 'later', namespace: 'default' },
    spec: { selector: { a: 'b' }, ports: [{ name: 'http', port: 80 }] },
  })
  const after = await awaited(source.current, ({ state }) => state.objects.Service.size === 1)
  assert.equal(after.state.objects.VirtualService, before.state.objects.VirtualService)
})

test('a security object that never was right denies from the first moment', async (t) => {
  const { api, open } = await scene(t)
  api.put('AuthorizationPolicy', { metadata: { name: 'a', namespace: 'default' }, spec: { action: 'MAYBE' } })
  const source = open()
  await source.start()
  assert.equal(source.current.value.state.objects.AuthorizationPolicy.get('default/a')?.unreadable, true)
})

test('the mesh config is read from its ConfigMap; a bad one is reported and the last good stays', async (t) => {
  const { api, open } = await scene(t)
  api.put('ConfigMap', meshConfig('enableAutoMtls: false'))
  api.put('ConfigMap', { metadata: { name: 'lateen-other', namespace: 'lateen-system' }, data: { mesh: 'enableAutoMtls: true' } })
  const source = open()
  await source.start()
  assert.deepEqual(
    [...source.current.value.state.objects.MeshConfig.values()].map(({ spec }) => spec),
    [{ enableAutoMtls: false }],
  )

  await api.watching('ConfigMap')
  api.put('ConfigMap', meshConfig('enableAutoMtls: ['))
  const broken = await awaited(source.current, ({ findings }) => findings.length > 0)
  assert.deepEqual(codes(broken), ['LTN0101 lateen', 'LTN0124 lateen'])
  assert.equal(broken.state.objects.MeshConfig.get('lateen-system/lateen')?.spec.enableAutoMtls, false)

  api.put('ConfigMap', meshConfig('accessLogFile: /dev/stdout'))
  const corrected = await awaited(source.current, ({ findings }) => findings.length === 0)
  assert.deepEqual(corrected.state.objects.MeshConfig.get('lateen-system/lateen')?.spec, { accessLogFile: '/dev/stdout' })
})

test('objects of other revisions are not read, those of a tag are, as long as it is one', async (t) => {
  const { api, open } = await scene(t)
  api.put('VirtualService', virtualService('reviews', { name: 'canary', labels: { 'istio.io/rev': 'canary' } }))
  api.put('VirtualService', virtualService('reviews', { name: 'stable', labels: { 'istio.io/rev': 'stable' } }))
  api.put('VirtualService', virtualService('reviews', { name: 'own', labels: { 'istio.io/rev': 'r2' } }))
  api.put('VirtualService', virtualService('reviews', { name: 'every' }))
  const tags = new Watchable<ReadonlySet<string>>(new Set(['stable']))
  const source = open({ revision: 'r2', tags })
  await source.start()
  const names = ({ state }: IngestState): string => [...state.objects.VirtualService.values()].map(({ metadata }) => metadata.name).join()
  assert.equal(names(source.current.value), 'every,own,stable')

  tags.set(new Set(['canary']))
  await awaited(source.current, (now) => names(now) === 'canary,every,own')
})

test('a kind whose CRD is not there counts as empty and is named', async (t) => {
  const { api, open } = await scene(t)
  api.unserve('Telemetry')
  api.put('VirtualService', virtualService('reviews'))
  const source = open()
  await source.start()
  assert.equal(source.current.value.state.objects.VirtualService.size, 1)
  assert.deepEqual(
    source.health.filter(({ isMissing }) => isMissing).map(({ kind }) => kind),
    ['Telemetry'],
  )
})

test('nothing is published before every kind is known', async (t) => {
  const { api, open } = await scene(t)
  api.put('Service', {
    metadata: { name: 'web', namespace: 'default' },
    spec: { selector: { a: 'b' }, ports: [{ name: 'http', port: 80 }] },
  })
  const isPolicies = ({ path }: { readonly path: string }): boolean => path.includes('authorizationpolicies')
  api.interrupt({ hang: true }, isPolicies)
  const source = open()
  let isStarted = false
  const started = source.start().then(() => {
    isStarted = true
  })
  await api.watching('Service')
  assert.equal(isStarted, false)
  assert.equal(source.current.value.state.revision, 0)
  await source.stop()
  assert.equal(source.current.value.state.revision, 0)
  void started
})

test('an install of some namespaces reads them and its own, and asks for nothing outside of them', async (t) => {
  const { api, open } = await scene(t)
  for (const namespace of ['one', 'two', 'lateen-system']) {
    api.put('Service', { metadata: { name: 'web', namespace }, spec: { selector: { a: 'b' }, ports: [{ name: 'http', port: 80 }] } })
  }
  const source = open({ namespaces: ['one'] })
  await source.start()
  assert.deepEqual([...source.current.value.state.objects.Service.keys()], ['lateen-system/web', 'one/web'])
  const outside = api.requests.filter(({ path }) => !/\/namespaces\/(?:one|lateen-system)\//.test(path))
  assert.deepEqual(
    outside.map(({ path }) => path),
    [],
  )
})

test('the slices that Kubernetes makes of selectors are not asked for', async (t) => {
  const { api, open } = await scene(t)
  const slice = (name: string, manager: string) => ({
    metadata: {
      name,
      namespace: 'default',
      labels: { 'kubernetes.io/service-name': 'a', 'endpointslice.kubernetes.io/managed-by': manager },
    },
    ...{ addressType: 'IPv4', ports: [{ name: 'http', port: 80 }], endpoints: [{ addresses: ['10.0.0.1'] }] },
  })
  api.put('EndpointSlice', slice('made', 'endpointslice-controller.k8s.io'))
  api.put('EndpointSlice', slice('own', 'me'))
  const source = open()
  await source.start()
  const { EndpointSlice } = source.current.value.state.objects
  assert.deepEqual([...EndpointSlice.keys()], ['default/own'])
  assert.deepEqual(EndpointSlice.get('default/own')?.spec, {
    addressType: 'IPv4',
    endpoints: [{ addresses: ['10.0.0.1'] }],
    ports: [{ name: 'http', port: 80 }],
  })
})

test('a kind that may not be read is named with the reason while its list is waited for, and no more when it is there', async (t) => {
  const { api, open } = await scene(t)
  api.interrupt({ status: 403, reason: 'Forbidden', message: 'pods is forbidden: User "x" cannot list resource "pods"' }, ({ path }) =>
    path.endsWith('/pods'),
  )
  api.unserve('WorkloadGroup')
  const source = open()
  const started = source.start()
  const [pods] = await awaited(source.unread, (unread) => unread.some(({ kind }) => kind === 'Pod'))
  assert.deepEqual([pods?.kind, pods?.isForbidden, pods?.isMissing], ['Pod', true, false])
  assert.match(pods?.because ?? '', /cannot list resource "pods"/)
  await started
  const left = await awaited(source.unread, (unread) => unread.every(({ kind }) => kind !== 'Pod') && unread.length > 0)
  assert.deepEqual(
    left.map(({ kind, isMissing }) => [kind, isMissing]),
    [['WorkloadGroup', true]],
  )
})
