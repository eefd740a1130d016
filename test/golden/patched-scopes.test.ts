// A scope that is patched from the snapshot before, and what is generated from it, are what they would be if they were made anew: over a
// seeded run of changes of every kind, for clients of two namespaces, with virtual hosts apart and in whole tables.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { readYaml } from '../../src/api/read-yaml.ts'
import { type Random, seededRandom } from '../../src/base/random.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../src/model/mesh-snapshot.ts'
import { createMeshCompiler } from '../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, type KubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { createGenerator, joinedParts } from '../../src/xds/generate/generate.ts'
import { derivationOf } from '../../src/xds/view/scope-history.ts'
import { viewFor } from '../../src/xds/view/view-for.ts'

const ROUNDS = 30
const SERVICES = ['one/a', 'one/b', 'two/a', 'two/c', 'two/d']
const CLIENTS = [true, false].flatMap((discoversVirtualHosts) =>
  ['one/a', 'two/c'].map((key) => ({ namespace: key.slice(0, 3), workload: key.slice(4), discoversVirtualHosts })),
)

const place = (key: string): string => `{name: ${key.slice(4)}, namespace: ${key.slice(0, 3)}}`
const service = (key: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: ${place(key)}\nspec: {selector: {app: ${key.slice(4)}}, ports: [{name: http, port: 80}, {name: tcp, port: 90}]}\n---\n`
const workload = (key: string): string =>
  `apiVersion: lateen.dev/v1alpha1\nkind: LocalWorkload\nmetadata: {name: ${key.slice(4)}, namespace: ${key.slice(0, 3)}, labels: {app: ${key.slice(4)}}}\nspec: {command: [x], ports: [{name: http, containerPort: 80}, {name: tcp, containerPort: 90}]}\n---\n`
const network = (kind: string, key: string, spec: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: ${kind}\nmetadata: ${place(key)}\nspec: {${spec}}\n---\n`
const route = (key: string, path: string, host = key.slice(4)): string =>
  network(
    'VirtualService',
    key,
    `hosts: ['${host}'], http: [{match: [{uri: {exact: /${path}}}], route: [{destination: {host: ${key.slice(4)}}}]}]`,
  )

/** What may be there or not, and how it may differ; most of it touches one service, some of it all. */
const OPTIONS: readonly ((variant: number) => string)[] = [
  ...SERVICES.map((key) => (variant: number) => route(key, String(variant))),
  (variant) => route('one/b', String(variant), '*.wide.example'),
  (variant) => route('two/d', String(variant), 'foreign.example'),
  (variant) => network('DestinationRule', 'two/d', `host: d, trafficPolicy: {connectionPool: {tcp: {maxConnections: ${variant}}}}`),
  (variant) => network('Sidecar', 'one/a', `egress: [{hosts: ['./*', '${variant % 2 === 0 ? 'two/a.two.svc.cluster.local' : 'two/*'}']}]`),
]

interface Step {
  readonly state: KubeState
  readonly ready: ReadonlySet<string>
}

function stepsOf(random: Random): readonly Step[] {
  const present = new Map<number, number>()
  const ready = new Set(SERVICES)
  let state = emptyKubeState
  return Array.from({ length: ROUNDS }, (): Step => {
    const option = Math.floor(random() * OPTIONS.length)
    const what = random()
    if (what < 0.3) for (const key of SERVICES) if (random() < 0.3 && !ready.delete(key)) ready.add(key)
    if (what >= 0.3 && what < 0.4) present.delete(option)
    if (what >= 0.4) present.set(option, Math.floor(random() * 100))
    const text = SERVICES.map((key) => service(key) + workload(key)).join('')
    const optional = [...present].map(([index, variant]) => OPTIONS[index]?.(variant) ?? '').join('')
    const { objects } = readYaml(text + optional, 'test.yaml', { defaultNamespace: 'default', compileRegex })
    // The same object for the same content, as sources give it.
    state = nextKubeState(state, objects)
    return { state, ready: new Set(ready) }
  })
}

function inputOf({ state, ready }: Step) {
  const workloads = Object.fromEntries(
    SERVICES.map((key, index) => {
      const at = { host: `10.0.0.${index + 1}`, port: 1 }
      return [key, { workload: key, address: at.host, admin: at, health: at, metrics: at, httpProxy: at, inbound: [], outbound: [] }]
    }),
  )
  const addresses = { strategy: 'loopback' as const, workloads }
  return { state, settings: DEFAULT_MESH_SETTINGS, addresses, capture: 'redirect' as const, ready, compileRegex }
}

type Generate = ReturnType<typeof createGenerator>

/** Per client: type, name and version of all that it is sent. */
function generated(snapshot: MeshSnapshot, generate: Generate): { readonly resources: readonly string[]; readonly patched: number } {
  let patched = 0
  const resources = CLIENTS.flatMap((client) => {
    const view = viewFor(snapshot, client)
    if (view === undefined) return []
    if (derivationOf(view.scope) !== undefined) patched++
    return [...joinedParts(generate(view))].flatMap(([typeUrl, map]) =>
      [...map].map(([name, { version }]) => `${client.namespace} ${client.discoversVirtualHosts} ${typeUrl} ${name} ${version}`),
    )
  })
  return { resources, patched }
}

for (const seed of [1, 2, 3]) {
  test(`seed ${seed}: after every change, what was patched equals what is made anew`, () => {
    const steps = stepsOf(seededRandom(seed))
    const compiler = createMeshCompiler()
    const generate = createGenerator()
    const addresses = inputOf(steps[0] ?? { state: emptyKubeState, ready: new Set() }).addresses
    const running = steps.map((step) => generated(compiler.compile({ ...inputOf(step), addresses }).snapshot, generate))

    assert.ok(running.reduce((sum, { patched }) => sum + patched, 0) > ROUNDS, 'most changes are patched in')
    for (const [index, step] of steps.entries()) {
      const fresh = generated(createMeshCompiler().compile(inputOf(step)).snapshot, createGenerator())
      assert.equal(fresh.patched, 0)
      assert.deepEqual(running[index]?.resources, fresh.resources, `after change ${index}`)
    }
  })
}
