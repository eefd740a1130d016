// A compiler that remembers gives what a new one gives, whatever was changed in which order: the whole snapshot, in the same order, and all
// Findings. And what did not change is the same object, which is what every cache behind compile lives on.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { AnyApiObject } from '../../src/api/kinds.ts'
import { keyOf } from '../../src/api/object-meta.ts'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex } from '../../src/base/regex.ts'
import type { AddressPlan } from '../../src/model/address-plan.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../src/model/mesh-snapshot.ts'
import type { CompileInput } from '../../src/operator/compile/compile-input.ts'
import { compileMesh, createMeshCompiler } from '../../src/operator/compile/compile-mesh.ts'
import { changedKubeState, emptyKubeState, type KubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'

const NAMESPACES = ['one', 'two', 'istio-system']
const NAMES = ['a', 'b', 'c']
const istio = (kind: string, group = 'networking'): string => `apiVersion: ${group}.istio.io/v1\nkind: ${kind}\n`

/** What may be written, by kind; `{name}`, `{other}` and `{n}` differ from edit to edit. Wrong ones on purpose. */
const SPECS: Readonly<Record<string, readonly string[]>> = {
  'apiVersion: v1\nkind: Service\n': [
    'selector: {app: {name}}, ports: [{name: http, port: 80, targetPort: {n}}]',
    'selector: {app: {name}}, publishNotReadyAddresses: true, clusterIP: None, ports: [{name: http, port: 80}, {name: tcp, port: {n}}]',
    'type: ExternalName, externalName: {other}.one.svc.cluster.local, ports: [{name: http, port: 80}]',
    'type: ExternalName, externalName: {other}.example.com, ports: [{name: http, port: 80}]',
    'ports: [{name: http, port: {n}}]',
  ],
  'apiVersion: lateen.dev/v1alpha1\nkind: LocalWorkload\n': [
    'command: [x], ports: [{name: http, containerPort: 80}]',
    'command: [x], serviceAccount: {other}, ports: [{name: http, containerPort: {n}}, {containerPort: 81}]',
  ],
  'apiVersion: v1\nkind: Pod\n': [
    'serviceAccountName: {other}, nodeName: {other}, containers: [{ports: [{name: http, containerPort: 80}]}]',
    'hostNetwork: true, nodeName: {name}, containers: [{ports: [{name: http, containerPort: {n}}]}]',
    'containers: []',
  ],
  'apiVersion: v1\nkind: Node\n': ['{}', 'podCIDR: 10.{n}.0.0/16'],
  'apiVersion: v1\nkind: Namespace\n': ['{}'],
  'apiVersion: discovery.k8s.io/v1\nkind: EndpointSlice\n': [
    'addressType: IPv4, ports: [{name: http, port: {n}}], endpoints: [{addresses: [10.7.0.{n}], targetRef: {kind: Pod, name: {other}}}]',
    'addressType: IPv4, ports: [{name: http, port: 80}], endpoints: [{addresses: [10.7.1.{n}], nodeName: {other}, conditions: {ready: false}}]',
  ],
  [istio('ServiceEntry')]: [
    'hosts: [{name}.example.com, {other}.com], resolution: DNS, ports: [{name: http, number: {n}, protocol: HTTP}]',
    'hosts: [{name}.example.com], resolution: STATIC, location: MESH_INTERNAL, workloadSelector: {labels: {app: {name}}}, ports: [{name: http, number: 80, protocol: HTTP}]',
    'hosts: [{other}.one.svc.cluster.local, s.org], resolution: STATIC, endpoints: [{address: 10.9.0.{n}}], ports: [{name: http, number: 80, protocol: HTTP}]',
    'hosts: ["*.w.org"], resolution: NONE, exportTo: ["."], ports: [{name: tcp, number: 80, protocol: TCP}]',
  ],
  [istio('WorkloadEntry')]: [
    'address: 10.8.0.{n}, labels: {app: {name}}, serviceAccount: {other}',
    'address: some.host, labels: {app: {name}}',
  ],
  [istio('DestinationRule')]: [
    'host: {name}, subsets: [{name: v1, labels: {version: v1}}, {name: w{n}, labels: {version: v2}}]',
    'host: {other}, exportTo: ["."], trafficPolicy: {connectionPool: {tcp: {maxConnections: {n}}}}',
    'host: "*.example.com", subsets: [{name: v1, labels: {version: v1}}]',
    'host: {other}.example.com, workloadSelector: {matchLabels: {app: {name}}}, trafficPolicy: {tls: {mode: SIMPLE}}',
    'host: {name}.nowhere.svc.cluster.local',
  ],
  [istio('VirtualService')]: [
    'hosts: [{name}], http: [{route: [{destination: {host: {other}, subset: v1}, weight: {n}}, {destination: {host: {name}}, weight: 3}]}]',
    'hosts: [{name}, {other}.example.com], exportTo: ["."], http: [{match: [{uri: {prefix: /{n}}}], route: [{destination: {host: {other}, port: {number: 80}}}]}]',
    'hosts: ["*"], gateways: [{other}, mesh], http: [{delegate: {name: {other}}}, {route: [{destination: {host: missing-{n}}}]}]',
    'http: [{match: [{uri: {prefix: /{n}}}], route: [{destination: {host: {other}}}]}]',
    'hosts: [{name}], exportTo: [two], tcp: [{route: [{destination: {host: {other}, subset: v{n}}}]}]',
  ],
  [istio('Gateway')]: [
    'selector: {app: {name}}, servers: [{port: {number: {n}, name: http, protocol: HTTP}, hosts: ["*"]}]',
    'servers: [{port: {number: 443, name: tls, protocol: TLS}, hosts: ["*"], tls: {mode: AUTO_PASSTHROUGH}}]',
  ],
  [istio('Sidecar')]: [
    'egress: [{hosts: ["./*", "*/{other}.one.svc.cluster.local"]}]',
    'workloadSelector: {labels: {app: {name}}}, egress: [{hosts: ["~/*"]}]',
  ],
  [istio('PeerAuthentication', 'security')]: [
    'mtls: {mode: STRICT}',
    'mtls: {mode: DISABLE}',
    'selector: {matchLabels: {app: {name}}}, mtls: {mode: STRICT}, portLevelMtls: {80: {mode: DISABLE}}',
  ],
  [istio('AuthorizationPolicy', 'security')]: ['selector: {matchLabels: {app: {name}}}', 'action: DENY'],
  'apiVersion: lateen.dev/v1alpha1\nkind: MeshConfig\n': [
    'discoverySelectors: [{matchLabels: {version: v{n}}}]',
    'outboundTrafficPolicy: {mode: REGISTRY_ONLY}',
    'defaultServiceExportTo: ["."]',
  ],
}

const headers = Object.keys(SPECS)
const pick = <T>(list: readonly T[], index: number): T => {
  const picked = list[index % list.length]
  assert.ok(picked !== undefined)
  return picked
}

interface Edit {
  readonly kind: number
  readonly name: number
  readonly namespace: number
  readonly spec: number
  readonly n: number
  readonly what: 'put' | 'remove' | 'ready' | 'move'
}

const edits = fc.array(
  fc.record<Edit>({
    kind: fc.nat(headers.length - 1),
    name: fc.nat(2),
    namespace: fc.constantFrom(0, 0, 0, 1, 2),
    spec: fc.nat(4),
    n: fc.integer({ min: 1, max: 3 }),
    what: fc.constantFrom('put', 'put', 'put', 'put', 'remove', 'ready', 'move'),
  }),
  { minLength: 5, maxLength: 30 },
)

/** Undefined: no such object would be let in. */
function objectOf({ kind, name, namespace, spec, n }: Edit): AnyApiObject | undefined {
  const header = pick(headers, kind)
  const values: Readonly<Record<string, string>> = { name: pick(NAMES, name), other: pick(NAMES, name + n), n: String(n) }
  const body = pick(SPECS[header] ?? [], spec).replace(/\{(name|other|n)\}/g, (_whole, key: string) => values[key] ?? '')
  const meta = `{name: ${values.name}, namespace: ${pick(NAMESPACES, namespace)}, creationTimestamp: "2026-01-0${n}T00:00:00Z", labels: {app: ${values.name}, version: v${n}, topology.kubernetes.io/zone: z${n}, kubernetes.io/service-name: ${values.other}}${n === 3 && header.includes('Pod') ? ', annotations: {sidecar.istio.io/status: "{}"}' : ''}}`
  const status = `{podIP: 10.6.0.${n}, podIPs: [{ip: 10.6.0.${n}}, {ip: "fd00::${n}"}], phase: ${n === 2 ? 'Failed' : 'Running'}}`
  const text = `${header}metadata: ${meta}\nspec: {${body.replace(/^\{\}$/, '')}}\nstatus: ${status}\n`
  const { objects } = readYaml(text, 'edit.yaml', { defaultNamespace: 'one', compileRegex })
  return objects[0]
}

/** A mesh in which edits find something to disturb: one object of every kind and name, each of another form. */
const fullState = nextKubeState(
  emptyKubeState,
  headers.flatMap((_header, kind) =>
    NAMES.flatMap((_name, name) => objectOf({ kind, name, namespace: 0, spec: name, n: 1, what: 'put' }) ?? []),
  ),
)

test('edits find objects of every kind of the list', () => {
  for (const kind of ['Pod', 'Node', 'EndpointSlice', 'LocalWorkload', 'VirtualService'] as const)
    assert.equal(fullState.objects[kind].size, 3, kind)
})

/** Every workload that may exist has a place. */
function planOf(offset: number): AddressPlan {
  const keys = NAMESPACES.flatMap((namespace) => NAMES.map((name) => `${namespace}/${name}`))
  const workloads = keys.flatMap((key, index) => {
    const host = `127.1.${index + offset}.1`
    const at = { host, port: 1 }
    const inbound = [{ name: '', containerPort: 80, listen: { host, port: 80 }, application: { host: '127.0.0.1', port: 8080 } }]
    const outbound = keys.map((service, port) => ({ service, port: 80, listen: { host, port: 9000 + port }, published: false }))
    const own = { workload: key, address: host, admin: at, health: at, metrics: at, httpProxy: at, inbound, outbound }
    return [
      [key, own],
      [`${key}-2`, { ...own, address: `127.1.${index + offset}.2` }],
    ] as const
  })
  return { strategy: 'loopback', workloads: Object.fromEntries(workloads) }
}

/** Everything, in order: deepEqual alone forgives maps another order. */
function inOrder(snapshot: MeshSnapshot): object {
  return Object.fromEntries(Object.entries(snapshot).map(([part, value]) => [part, value instanceof Map ? [...value] : value]))
}

function edited(input: CompileInput, edit: Edit): CompileInput {
  if (edit.what === 'ready') {
    const key = `${pick(NAMESPACES, edit.namespace)}/${pick(NAMES, edit.name)}`
    const ready = new Set(input.ready)
    if (!ready.delete(key)) ready.add(key)
    return { ...input, ready }
  }
  if (edit.what === 'move') return { ...input, addresses: planOf(edit.n % 2) }
  const object = objectOf(edit)
  if (object === undefined) return input
  const gone = edit.what === 'remove'
  return { ...input, state: changedKubeState(input.state, gone ? [] : [object], gone ? [[object.kind, keyOf(object)]] : []) }
}

for (const capture of ['bind', 'redirect'] as const) {
  test(`after every edit, what is remembered and what is compiled anew are the same (${capture})`, () => {
    fc.assert(
      fc.property(edits, (sequence) => {
        const compiler = createMeshCompiler()
        let input: CompileInput = {
          ...{ state: fullState, settings: DEFAULT_MESH_SETTINGS, addresses: planOf(0), capture, ready: new Set(), compileRegex },
        }
        compiler.compile(input)
        for (const edit of sequence) {
          input = edited(input, edit)
          const kept = compiler.compile(input)
          const fresh = compileMesh(input)
          assert.deepEqual(inOrder(kept.snapshot), inOrder(fresh.snapshot))
          assert.deepEqual(kept.findings, fresh.findings)
          assert.equal(compiler.compile({ ...input, state: { ...input.state } }).snapshot, kept.snapshot)
        }
      }),
      { seed: 20_260_801, numRuns: Number(process.env.FUZZ_RUNS ?? 150) },
    )
  })
}

test('objects that were read again and say the same change nothing', () => {
  fc.assert(
    fc.property(edits, (sequence) => {
      const common = { settings: DEFAULT_MESH_SETTINGS, capture: 'redirect' as const, compileRegex }
      const input = sequence.reduce<CompileInput>(edited, { ...common, state: fullState, addresses: planOf(0), ready: new Set() })
      const compiler = createMeshCompiler()
      const { snapshot, findings } = compiler.compile(input)
      const again = compiler.compile({ ...input, state: copyOf(input.state), addresses: structuredClone(input.addresses) })

      assert.equal(again.snapshot, snapshot)
      assert.equal(again.findings, findings)
    }),
    { seed: 11, numRuns: 50 },
  )
})

/** The same content in other objects, as after a restart of whoever reads them. */
function copyOf(state: KubeState): KubeState {
  return nextKubeState(emptyKubeState, structuredClone(Object.values(state.objects).flatMap((map): AnyApiObject[] => [...map.values()])))
}

test('objects are changed one by one into the state that all of them make', () => {
  fc.assert(
    fc.property(edits, (sequence) => {
      let state = emptyKubeState
      const all = new Map<string, AnyApiObject>()
      for (const edit of sequence) {
        const object = objectOf(edit)
        if (object === undefined) continue
        const gone = edit.what === 'remove'
        if (gone) all.delete(`${object.kind} ${keyOf(object)}`)
        else all.set(`${object.kind} ${keyOf(object)}`, object)
        state = changedKubeState(state, gone ? [] : [object], gone ? [[object.kind, keyOf(object)]] : [])
        const whole = nextKubeState(emptyKubeState, all.values())
        for (const [kind, map] of Object.entries(state.objects)) {
          const expected: Readonly<Record<string, ReadonlyMap<string, AnyApiObject>>> = whole.objects
          assert.deepEqual([...map], [...(expected[kind] ?? [])])
        }
      }
    }),
    { seed: 7, numRuns: 50 },
  )
})

test('of a mesh in which one object changes, everything else stays the same object', () => {
  const text = ['a', 'b', 'c'].flatMap((_, name) => headers.map((_header, kind) => ({ kind, name })))
  const objects = text.flatMap(({ kind, name }) => objectOf({ kind, name, namespace: 0, spec: 0, n: 1, what: 'put' }) ?? [])
  const compiler = createMeshCompiler()
  const common = {
    settings: DEFAULT_MESH_SETTINGS,
    addresses: planOf(0),
    capture: 'redirect' as const,
    ready: new Set<string>(),
    compileRegex,
  }
  const state = nextKubeState(emptyKubeState, objects)
  const before = compiler.compile({ ...common, state }).snapshot
  const route = objectOf({ kind: headers.indexOf(istio('VirtualService')), name: 0, namespace: 0, spec: 0, n: 2, what: 'put' })
  assert.ok(route !== undefined)
  const after = compiler.compile({ ...common, state: changedKubeState(state, [structuredClone(route)], []) }).snapshot

  const { routes: routesBefore, ...restBefore } = before
  const { routes, ...rest } = after
  for (const [part, value] of Object.entries(restBefore))
    assert.equal(Object.entries(rest).find(([name]) => name === part)?.[1], value, part)
  const changed = [...routes].flatMap(([host, value]) => (routesBefore.get(host) === value ? [] : [host]))
  assert.deepEqual(changed, ['a.one.svc.cluster.local'])
})
