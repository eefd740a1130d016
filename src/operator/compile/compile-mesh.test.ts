// Facts of compile that are too small for a golden; whole outcomes are in test/golden.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AnyApiObject } from '../../api/kinds.ts'
import { readYaml } from '../../api/read-yaml.ts'
import { compileRegex } from '../../base/regex.ts'
import type { WorkloadAddresses } from '../../model/address-plan.ts'
import { DEFAULT_MESH_SETTINGS } from '../../model/mesh-settings.ts'
import { emptyKubeState, nextKubeState } from '../ingest/kube-state.ts'
import { type CompiledMesh, compileMesh } from './compile-mesh.ts'

const BASE = `
apiVersion: v1
kind: Service
metadata: {name: reviews, namespace: default}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: web}, {name: tcp-admin, port: 81, targetPort: 9081}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: reviews-v1, namespace: default, labels: {app: reviews, version: v1}}
spec: {command: [x], ports: [{name: web, containerPort: 9080}, {containerPort: 9081}]}
`

function compile(text: string, instances: readonly string[] = ['reviews-v1'], base: string = BASE): CompiledMesh {
  return compileObjects(readYaml(`${base}---\n${text}`, 'test.yaml', { defaultNamespace: 'default' }).objects, instances)
}

function compileObjects(objects: readonly AnyApiObject[], instances: readonly string[] = ['reviews-v1']): CompiledMesh {
  return compileMesh({
    state: nextKubeState(emptyKubeState, objects),
    settings: DEFAULT_MESH_SETTINGS,
    addresses: {
      strategy: 'loopback',
      workloads: Object.fromEntries(instances.map((name, index) => [`default/${name}`, addresses(index + 1)])),
    },
    capture: 'bind',
    ready: new Set(instances.map((name) => `default/${name}`)),
    compileRegex,
  })
}

function addresses(index: number): WorkloadAddresses {
  const at = (port: number): { host: string; port: number } => ({ host: `127.1.${index}.1`, port })
  const inbound = [9080, 9081].map((port) => ({
    name: '',
    containerPort: port,
    listen: at(port),
    application: { host: '127.0.0.1', port: port + 1000 },
  }))
  return {
    workload: 'default/reviews-v1',
    address: `127.1.${index}.1`,
    admin: at(15000),
    health: at(15021),
    metrics: at(15090),
    httpProxy: at(15080),
    inbound,
    outbound: [{ service: 'default/reviews', port: 80, listen: { host: `127.1.${index}.2`, port: 80 }, published: false }],
  }
}

test('a service finds its endpoints by port number and by port name', () => {
  const { snapshot, findings } = compile('')

  const ports = snapshot.endpoints.get('reviews.default.svc.cluster.local')?.ports.map(({ endpoints }) => endpoints.map(({ port }) => port))
  assert.deepEqual(ports, [[9080], [9081]])
  assert.deepEqual(findings, [])
})

test('every replica is a workload and an endpoint of its own', () => {
  const { snapshot } = compile('', ['reviews-v1', 'reviews-v1-2'])

  assert.deepEqual([...snapshot.workloads.keys()], ['default/reviews-v1', 'default/reviews-v1-2'])
  const [http] = snapshot.endpoints.get('reviews.default.svc.cluster.local')?.ports ?? []
  assert.deepEqual(
    http?.endpoints.map(({ host, workload }) => `${workload.name} ${host}`),
    ['reviews-v1 127.1.1.1', 'reviews-v1-2 127.1.2.1'],
  )
})

test('a workload without an address is not part of the mesh', () => {
  const { snapshot } = compile('', [])

  assert.equal(snapshot.workloads.size, 0)
  assert.deepEqual(snapshot.endpoints.get('reviews.default.svc.cluster.local')?.identities, [])
})

test('clients accept the identities of the selected workloads and no other', () => {
  const { snapshot } = compile('', ['reviews-v1', 'reviews-v1-2'])

  assert.deepEqual(snapshot.endpoints.get('reviews.default.svc.cluster.local')?.identities, [
    'spiffe://cluster.local/ns/default/sa/default',
  ])
})

test('a destination without a port is the port that was called', () => {
  const { snapshot, findings } = compile(virtualService('[{route: [{destination: {host: reviews}}]}]'))

  assert.deepEqual(findings, [])
  const [route] = snapshot.routes.get('reviews.default.svc.cluster.local')?.[0]?.http ?? []
  assert.ok(route?.action.kind === 'forward')
  assert.equal(route.action.destinations[0]?.port, undefined)
})

test('a destination without a port is a Finding when the service has several and may be called at another', () => {
  const shop = `
apiVersion: v1
kind: Service
metadata: {name: shop, namespace: default}
spec: {selector: {app: shop}, ports: [{name: http, port: 8080}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop, namespace: default}
spec: {hosts: [shop], http: [{route: [{destination: {host: reviews}}]}]}
`
  const { snapshot, findings } = compile(shop)

  assert.deepEqual(
    findings.map(({ code, path }) => `${code} ${path}`),
    ['LTN0203 spec.http[0].route[0].destination'],
  )
  const [route] = snapshot.routes.get('shop.default.svc.cluster.local')?.[0]?.http ?? []
  assert.ok(route?.action.kind === 'forward')
  assert.equal(route.action.destinations[0]?.port, undefined)
})

test('a match on the client says so instead of matching every client', () => {
  const http =
    '[{match: [{sourceLabels: {app: tester}, sourceNamespace: shop}], route: [{destination: {host: reviews, port: {number: 80}}}]}, {route: [{destination: {host: reviews, port: {number: 80}}}]}]'
  const { snapshot } = compile(virtualService(http))

  assert.deepEqual(
    snapshot.routes.get('reviews.default.svc.cluster.local')?.[0]?.http.map(({ match }) => match.client),
    [{ labels: { app: 'tester' }, namespace: 'shop' }, undefined],
  )
})

test('a pattern that is none matches nothing and takes no other route along', () => {
  const http = "[{match: [{uri: {regex: '(?=a)'}}, {uri: {exact: /a}}], route: [{destination: {host: reviews, port: {number: 80}}}]}]"
  const objects = readYaml(`${BASE}---\n${virtualService(http)}`, 'test.yaml', { defaultNamespace: 'default' }).objects

  const { snapshot } = compileObjects(objects)

  assert.deepEqual(
    snapshot.routes.get('reviews.default.svc.cluster.local')?.[0]?.http.map(({ field }) => field),
    ['spec.http[0].match[1]'],
  )
})

test('an action that cannot be done keeps its requests from later routes', () => {
  const http =
    "[{match: [{uri: {prefix: /old}}], rewrite: {uriRegexRewrite: {match: '/(a)', rewrite: '\\2'}}, route: [{destination: {host: reviews, port: {number: 80}}}]}, {route: [{destination: {host: reviews, port: {number: 80}}}]}]"
  const { snapshot, findings } = compile(virtualService(http))

  const routes = snapshot.routes.get('reviews.default.svc.cluster.local')?.[0]?.http ?? []
  assert.deepEqual(
    routes.map(({ action }) => action.kind),
    ['unavailable', 'forward'],
  )
  assert.deepEqual(
    findings.map(({ code, path }) => `${code} ${path}`),
    ['LTN0214 spec.http[0].rewrite.uriRegexRewrite'],
  )
})

test('a VirtualService for gateways only does not touch sidecars', () => {
  const { snapshot } = compile(virtualService('[{route: [{destination: {host: reviews, port: {number: 80}}}]}]', 'gateways: [edge], '))

  assert.equal(snapshot.routes.size, 0)
})

test('http routes for a service without HTTP are a Finding', () => {
  const { findings } = compile(
    virtualService('[{route: [{destination: {host: reviews}}]}]'),
    [],
    BASE.replace('name: http, port: 80', 'name: tcp, port: 80'),
  )

  assert.ok(findings.some(({ code }) => code === 'LTN0210'))
})

test('a targetPort that no workload has is a Finding on the service', () => {
  const { findings } = compile('', ['reviews-v1'], BASE.replace('targetPort: 9081', 'targetPort: 1'))

  assert.deepEqual(
    findings.map(({ code, path }) => `${code} ${path}`),
    ['LTN0211 spec.ports[1]'],
  )
})

for (const [what, policies, expected] of [
  ['the default is permissive', '', 'permissive'],
  ['the mesh speaks through the root namespace', peerAuthentication('default', 'istio-system', 'mtls: {mode: STRICT}'), 'strict'],
  [
    'UNSET inherits',
    `${peerAuthentication('default', 'istio-system', 'mtls: {mode: STRICT}')}---${peerAuthentication('default', 'default', 'mtls: {mode: UNSET}')}`,
    'strict',
  ],
  [
    'the workload wins over its namespace',
    `${peerAuthentication('default', 'default', 'mtls: {mode: STRICT}')}---${peerAuthentication('own', 'default', 'selector: {matchLabels: {app: reviews}}, mtls: {mode: DISABLE}')}`,
    'disable',
  ],
  [
    'the port wins over its workload',
    peerAuthentication(
      'own',
      'default',
      'selector: {matchLabels: {app: reviews}}, mtls: {mode: DISABLE}, portLevelMtls: {9080: {mode: STRICT}}',
    ),
    'strict',
  ],
  [
    'a policy for others does not count',
    peerAuthentication('own', 'default', 'selector: {matchLabels: {app: other}}, mtls: {mode: STRICT}'),
    'permissive',
  ],
  [
    'a selector in the root namespace counts for nothing',
    peerAuthentication('own', 'istio-system', 'selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}'),
    'permissive',
  ],
] as const) {
  test(`mutual TLS: ${what}`, () => {
    const { snapshot } = compile(policies)

    assert.equal(snapshot.workloads.get('default/reviews-v1')?.ports[0]?.tls.mode, expected)
  })
}

test('a PeerAuthentication with a selector in the root namespace is a Finding', () => {
  const { findings } = compile(peerAuthentication('own', 'istio-system', 'selector: {matchLabels: {app: reviews}}, mtls: {mode: STRICT}'))

  assert.deepEqual(
    findings.map(({ code, path }) => `${code} ${path}`),
    ['LTN0206 spec.selector'],
  )
})

test('the older of two PeerAuthentications of a namespace is in force, and the newer one gets a Finding', () => {
  const newer = peerAuthentication('a', 'default', 'mtls: {mode: DISABLE}').replace(
    '{name: a',
    "{creationTimestamp: '2026-02-02T00:00:00Z', name: a",
  )
  const older = peerAuthentication('b', 'default', 'mtls: {mode: STRICT}').replace(
    '{name: b',
    "{creationTimestamp: '2026-01-01T00:00:00Z', name: b",
  )
  const { snapshot, findings } = compile(`${newer}---${older}`)

  assert.equal(snapshot.workloads.get('default/reviews-v1')?.otherPortsTls.mode, 'strict')
  assert.deepEqual(
    findings.map(({ code, object }) => `${code} ${object?.name}`),
    ['LTN0205 a'],
  )
})

test('a policy kind that is not in force denies where it selects, mesh-wide from the root namespace', () => {
  const policy = (namespace: string, labels: string): string =>
    `\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: ${namespace}}\nspec: {selector: {matchLabels: {${labels}}}}\n`
  const denials = (text: string): number | undefined => compile(text).snapshot.workloads.get('default/reviews-v1')?.denials.length

  assert.equal(denials(policy('default', 'app: reviews')), 1)
  assert.equal(denials(policy('default', 'app: other')), 0)
  assert.equal(denials(policy('elsewhere', 'app: reviews')), 0)
  assert.equal(denials(policy('istio-system', 'app: reviews')), 1)
})

test('a security object with errors denies where it selects, and says so', () => {
  const broken = (labels: string): string =>
    `\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: p}\nspec: {selector: {matchLabels: {${labels}}}, mtls: {mode: STRCT}}\n`
  const { snapshot, findings } = compile(broken('app: reviews'))

  assert.match(snapshot.workloads.get('default/reviews-v1')?.denials[0]?.reason ?? '', /has errors, so it denies/)
  assert.deepEqual(
    findings.map(({ code }) => code).filter((code) => code === 'LTN0212'),
    ['LTN0212'],
  )
  assert.deepEqual(compile(broken('app: other')).snapshot.workloads.get('default/reviews-v1')?.denials, [])
})

test('whatever is written into a spec, compile answers', () => {
  const word = fc.constantFrom('reviews', 'reviews.default.svc.cluster.local', '*', '*.b', '', 'a|b', 'v1', '10.0.0.1')
  const destination = fc.record({ host: word, subset: word, port: fc.record({ number: fc.integer() }) }, { requiredKeys: ['host'] })
  const match = fc.record(
    { uri: fc.record({ regex: fc.string(), prefix: word }, { requiredKeys: [] }), port: fc.integer(), gateways: fc.array(word) },
    { requiredKeys: [] },
  )
  const entry = fc.record(
    { name: word, match: fc.array(match), route: fc.array(fc.record({ destination, weight: fc.integer() })) },
    { requiredKeys: [] },
  )
  const specs = fc.record({ hosts: fc.array(word), http: fc.array(entry), gateways: fc.array(word) }, { requiredKeys: [] })
  const base = readYaml(BASE, 'test.yaml', { defaultNamespace: 'default' }).objects
  fc.assert(
    fc.property(fc.array(specs, { maxLength: 4 }), (all) => {
      const objects = all.map(
        (spec, index): AnyApiObject => ({
          apiVersion: 'networking.istio.io/v1',
          kind: 'VirtualService',
          metadata: { name: `vs-${index}`, namespace: 'default', labels: {}, annotations: {} },
          spec,
        }),
      )
      const { snapshot } = compileObjects([...base, ...objects])
      for (const { http } of [...snapshot.routes.values()].flat()) {
        assert.ok(http.every(({ action }) => action.kind !== 'forward' || action.destinations.every(({ weight }) => weight >= 1)))
      }
    }),
    { numRuns: 200, seed: 7 },
  )
})

function virtualService(http: string, before = ''): string {
  return `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: reviews, namespace: default}\nspec: {${before}hosts: [reviews], http: ${http}}\n`
}

function peerAuthentication(name: string, namespace: string, spec: string): string {
  return `\napiVersion: security.istio.io/v1\nkind: PeerAuthentication\nmetadata: {name: ${name}, namespace: ${namespace}}\nspec: {${spec}}\n`
}
