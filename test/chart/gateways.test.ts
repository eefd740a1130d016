// The chart's gateways are complete without the webhook: what helm renders is what the injector would have made of the same pod, under every
// setting that reaches it. The injector is the product's own, with the configuration that the same rendering gives it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRecord } from '../../src/api/record.ts'
import { injectPod } from '../../src/webhook/inject.ts'
import { readInjectorConfig } from '../../src/webhook/injector-config.ts'
import { withMeshConfig } from '../../src/webhook/mesh-config.ts'
import { described } from '../../src/webhook/owner.ts'
import { type Json, type Pod, readPod } from '../../src/webhook/pod.ts'
import { at, chart, helm, objectsIn, only, PROFILES, type Rendered, render, skipWithoutHelm as skip } from './helm.ts'

const NAME = 'lateen-ingressgateway'
const ENABLED = ['gateways.ingressgateway.enabled=true', 'crds.enabled=false']
const EVERYTHING = {
  image: { registry: 'registry.test', tag: 'v9', pullPolicy: 'Always', pullSecrets: ['pull-a', 'pull-b'] },
  proxy: {
    ...{
      logLevel: 'debug',
      concurrency: 3,
      drainTime: '7s',
      clusterId: 'east$1',
      network: 'net-1',
      meshId: 'shop',
      clusterDomain: 'corp.local',
    },
    ...{ healthPort: 15_121, prometheusPort: 15_190, adminPort: 15_100, tokenSeconds: 7200 },
    resources: { requests: { cpu: '50m' }, limits: { cpu: '3', memory: '2Gi' } },
    readinessProbe: { periodSeconds: 3 },
  },
  gateways: {
    ingressgateway: {
      labels: { 'app.kubernetes.io/name': 'edge', version: 'v3', istio: 'edge' },
      podAnnotations: { 'cluster-autoscaler.kubernetes.io/safe-to-evict': 'true' },
      resources: { limits: { memory: '5Gi' } },
      service: { ports: [{ name: 'tcp', port: 9000, targetPort: 9001, protocol: 'TCP' }] },
    },
  },
}
const PROXY_CONFIG = {
  meshConfig: {
    trustDomain: 'shop.example',
    defaultConfig: {
      ...{
        discoveryAddress: 'other.test:15012',
        terminationDrainDuration: '9s',
        proxyAdminPort: 15_200,
        statusPort: 15_220,
        concurrency: 2,
      },
      ...{ meshId: 'of-the-mesh', tracingServiceName: 'CANONICAL_NAME_AND_NAMESPACE' },
      proxyMetadata: {
        EXIT_ON_ZERO_ACTIVE_CONNECTIONS: 'true',
        ISTIO_META_TEAM: 'a$b',
        WHERE: 'in $(POD_NAMESPACE)',
        LATEEN_STATE: 'theirs',
      },
    },
  },
  gateways: {
    ingressgateway: {
      podAnnotations: { 'proxy.istio.io/config': '{"discoveryAddress": "10.1.2.3:15012", "proxyMetadata": {"ISTIO_META_TEAM": "own"}}' },
    },
  },
}
const CASES: readonly (readonly [what: string, sets: readonly string[], values: Json])[] = [
  ...PROFILES.map((profile) => [`profile ${profile}`, [`profile=${profile}`], {}] as const),
  ['another revision', ['revision=v2', 'revisionTags={stable}'], {}],
  ['every field of the injector', [], EVERYTHING],
  ['the mesh and the pod with a ProxyConfig', [], PROXY_CONFIG],
  ['one concurrency, as protobuf writes it', [], { meshConfig: { defaultConfig: { concurrency: { value: 4 }, serviceCluster: 'edge' } } }],
  ['no status port', [], { meshConfig: { defaultConfig: { statusPort: 0, tracingServiceName: 'CANONICAL_NAME_ONLY' } } }],
]

for (const [what, sets, values] of CASES) {
  test(`${what}: a gateway is what the injector would have made of it`, { skip }, () => {
    const rendered = renderWith(sets, values)
    const name = what === 'another revision' ? `${NAME}-v2` : NAME
    const expected = injected(renderWith([...sets, 'gateways.ingressgateway.injected=true'], values), name)
    assert.deepEqual(readable(podOf(only(rendered, 'Deployment', name))), readable(expected))
  })
}

test('what only the injector could do is refused, with the value that asks it', { skip }, () => {
  const refused = (...sets: readonly string[]): string => {
    const done = helm('template', 'lateen', chart, ...[...ENABLED, ...sets].flatMap((each) => ['--set', each]))
    assert.notEqual(done.code, 0, sets.join(' '))
    return done.err
  }
  assert.match(refused('proxy.templates.gateway.metadata.labels.team=a'), /gateways\.<name>\.injected=true/)
  const annotation = 'gateways.ingressgateway.podAnnotations.sidecar\\.istio\\.io/logLevel=debug'
  assert.match(refused(annotation), /sidecar\.istio\.io\/logLevel .* gateways\.<name>\.injected=true/)
  const asked = renderWith([annotation, 'proxy.templates.gateway.metadata.labels.team=a', 'gateways.ingressgateway.injected=true'], {})
  assert.equal(at(only(asked, 'Deployment', NAME), 'spec.template.spec.containers.0.image'), 'auto')
})

function renderWith(sets: readonly string[], values: Json): readonly Rendered[] {
  const json = Object.entries(values).flatMap(([key, value]) => ['--set-json', `${key}=${JSON.stringify(value)}`])
  return objectsIn(render([...ENABLED, ...sets], json))
}

function podOf(deployment: Rendered): Pod {
  const read = readPod(at(deployment, 'spec.template'))
  assert.ok(read.ok, JSON.stringify(read))
  return read.value
}

function injected(list: readonly Rendered[], name: string): Pod {
  const suffix = name.slice(NAME.length)
  const config = readInjectorConfig(String(at(only(list, 'ConfigMap', `lateen-injector${suffix}`), 'data.config')))
  assert.ok(config.ok, JSON.stringify(config))
  const mesh = withMeshConfig(config.value, String(at(only(list, 'ConfigMap', `lateen${suffix}`), 'data.mesh')))
  assert.ok(mesh.ok, JSON.stringify(mesh))
  const pod = podOf(only(list, 'Deployment', name))
  assert.equal(pod.spec.containers[0]?.image, 'auto')
  const workload = described({ apiVersion: 'apps/v1', kind: 'Deployment', name })
  // As the rendered one says of itself: the webhook is not called for it.
  const uninjected = { ...pod, metadata: { ...pod.metadata, labels: { ...pod.metadata.labels, 'sidecar.istio.io/inject': 'false' } } }
  const made = injectPod({ pod: uninjected, namespace: 'lateen-system', ...mesh.value, nativeSidecars: true, version: '0.1.0', workload })
  assert.ok(made.ok, JSON.stringify(made))
  assert.deepEqual(made.value.warnings, [])
  return made.value.pod
}

/** Notes of the injector, and what the chart says in their place. */
const BOOKKEEPING = [
  'sidecar.istio.io/status',
  'lateen.dev/injected',
  'proxy.istio.io/overrides',
  'inject.istio.io/templates',
  'lateen.dev/role',
]

/** With what is JSON as values, so that neither the order of keys nor that of volumes counts. */
function readable({ metadata, spec }: Pod): unknown {
  const annotations = Object.entries(metadata.annotations ?? {}).filter(([key]) => !BOOKKEEPING.includes(key))
  return { labels: metadata.labels, annotations: Object.fromEntries(annotations), spec: parsed(spec) }
}

function parsed(value: unknown): unknown {
  if (typeof value === 'string' && /^[[{]/.test(value)) return parsed(JSON.parse(value))
  if (Array.isArray(value)) return value.map(parsed)
  return isRecord(value) ? Object.fromEntries(Object.entries(value).map(([key, each]) => [key, parsed(each)])) : value
}
