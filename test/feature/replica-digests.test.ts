// Two replicas of a control plane over real sockets with mutual TLS: what the leader knows of the proxies of both.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { readYaml } from '../../src/api/read-yaml.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/log.ts'
import { seededRandom } from '../../src/base/random.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { Watchable } from '../../src/base/watchable.ts'
import { type CompileClient, createCompileClient } from '../../src/bin/control-plane/compile-client.ts'
import { nodeKey } from '../../src/bin/control-plane/compile-protocol.ts'
import { CompileSide } from '../../src/bin/control-plane/compile-side.ts'
import { openReplicaDigests, type ReplicaDigests } from '../../src/bin/control-plane/replica-digests.ts'
import { createIssuer } from '../../src/ca/issuer.ts'
import { openRoot } from '../../src/ca/roots.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../src/envoy/type-urls.ts'
import { parseSpiffeId } from '../../src/identity/spiffe-id.ts'
import type { AddressPlan } from '../../src/model/address-plan.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import { emptyKubeState, type KubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { verdictsOf } from '../../src/operator/status/conditions.ts'
import { NOTHING_FOUND } from '../../src/operator/status/findings-by-object.ts'
import { createXdsServer } from '../../src/xds/serve/ads-server.ts'
import { createDialLeader } from '../../src/xds/serve/digest-client.ts'
import { startGrpcServer } from '../../src/xds/serve/grpc-server.ts'
import { AdsClient, type ClientIdentity } from './support/ads-client.ts'

const ROUTE = 'VirtualService default/reviews'
const RULE = 'DestinationRule default/reviews'
const CONTROL_PLANE = 'spiffe://cluster.local/ns/istio-system/sa/istiod'
const PATIENCE_MS = 10_000
const PROXIES = ['a', 'b', 'c', 'd', 'e', 'f']

const objects = (generation: number): string => `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, uid: rule, generation: 1}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, uid: route, generation: ${generation}}
spec: {hosts: [reviews], http: [{timeout: ${generation}s, route: [{destination: {host: reviews, subset: v1}}]}]}
${PROXIES.map((name) => `---\napiVersion: lateen.dev/v1alpha1\nkind: LocalWorkload\nmetadata: {name: ${name}, labels: {app: reviews, version: v1}}\nspec: {serviceAccount: reviews, command: [x], ports: [{name: http, containerPort: 9080}]}\n`).join('')}`

function stateOf(generation: number, previous: KubeState = emptyKubeState): KubeState {
  const read = readYaml(objects(generation), 'mesh.yaml', { defaultNamespace: 'default', compileRegex })
  assert.equal(read.broken, false, JSON.stringify(read.findings))
  return nextKubeState(previous, read.objects)
}

const nowhere = { host: '127.0.0.1', port: 0 }
const ADDRESSES: AddressPlan = {
  strategy: 'ports',
  workloads: Object.fromEntries(
    PROXIES.map((name) => [
      `default/${name}`,
      {
        ...{ workload: `default/${name}`, address: '127.0.0.1', admin: nowhere, health: nowhere, metrics: nowhere, httpProxy: nowhere },
        inbound: [{ name: 'http', containerPort: 9080, listen: nowhere, application: nowhere }],
        outbound: [],
      },
    ]),
  ),
}

interface Replica {
  readonly port: number
  readonly digests: ReplicaDigests
  readonly log: readonly string[]
  compile(state: KubeState): Promise<void>
  close(): void
}

interface Installation {
  readonly clock: Clock
  certify(uri: string): ClientIdentity
  replica(name: string): Promise<Replica>
  connect(to: Replica, name: string): AdsClient
  dial: ReturnType<typeof createDialLeader>
}

function install(t: TestContext): Installation {
  const folder = mkdtempSync(join(tmpdir(), 'lateen-digests-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const clock = systemClock
  const root = openRoot({ stateFolder: folder, trustDomain: 'cluster.local', clock })
  const issuer = createIssuer({ ca: () => root, clock })
  const certify = (uri: string): ClientIdentity => {
    const { chain, keyPem } = issuer.issueWithKey([{ uri }, { dns: 'istiod.istio-system.svc' }])
    return { keyPem, chainPem: chain.join('') }
  }
  const trust = () => ({ trustDomain: 'cluster.local', bundle: root.bundle })
  const parsed = parseSpiffeId(CONTROL_PLANE)
  assert.ok(parsed.ok)
  const identity = parsed.value
  const proxyIdentity = certify('spiffe://cluster.local/ns/default/sa/reviews')
  return {
    clock,
    certify,
    dial: createDialLeader({
      ...{ certificate: () => proxyIdentity, rootsPem: () => root.bundle.pem, identity: () => identity, trust, clock },
    }),
    async replica(name) {
      const log: string[] = []
      const logger = createLogger({ level: 'info', format: 'text', write: (line) => void log.push(line), nowMs: () => clock.nowMs() })
      const compiler: CompileClient = createCompileClient(
        ({ message }) => {
          const how = { compileRegex, clock, post: message, soon: (action: () => void) => void setImmediate(action) }
          const side = new CompileSide({ settings: DEFAULT_MESH_SETTINGS, capture: 'redirect' }, how)
          return { post: (to) => void setImmediate(() => side.receive(to)), stop: async () => undefined }
        },
        (nodes) => xds.update(nodes),
        (why) => assert.fail(why),
      )
      const xds = createXdsServer({ keyOf: nodeKey, resourcesFor: (node) => compiler.resourcesFor(node), trust, clock, log: logger })
      const own = certify(CONTROL_PLANE)
      const digests = openReplicaDigests({
        ...{ replica: name, compiler, xds: () => xds, identity: () => identity, trust, clock, random: seededRandom(1), log: logger },
        ...{ certificate: () => own, rootsPem: () => root.bundle.pem, changed: () => undefined },
      })
      const server = await startGrpcServer({
        ...{ host: '127.0.0.1', port: 0, clock, random: seededRandom(1), services: [xds.service, digests.service] },
        tls: { certificate: new Watchable(own), rootsPem: new Watchable(root.bundle.pem) },
      })
      const close = (): void => {
        digests.stop()
        xds.close()
        server.close()
      }
      t.after(close)
      return {
        ...{ port: server.port, digests, log, close },
        async compile(state) {
          compiler.keepOnly([...xds.nodes(), ...digests.absent()])
          const { round } = await compiler.compile({
            state,
            addresses: ADDRESSES,
            ready: new Set(PROXIES.map((each) => `default/${each}`)),
          })
          digests.compiled(round, state)
        },
      }
    },
    connect(to, name) {
      const client = new AdsClient(to.port, root.bundle.pem, proxyIdentity, `sidecar~10.0.0.1~${name}.default~default.svc.cluster.local`)
      t.after(() => client.close())
      for (const type of [CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE]) client.subscribe(type)
      return client
    },
  }
}

/** What the leader says of an object, as soon as it says this. */
async function until(leader: Replica, object: string, uid: string, generation: number, expected: string): Promise<string> {
  let said = ''
  for (const startMs = systemClock.monotonicMs(); systemClock.monotonicMs() - startMs < PATIENCE_MS; await nextTurn()) {
    await leader.digests.report()
    const total = leader.digests.board.total(object, uid, generation)
    const [, programmed] = verdictsOf('VirtualService', NOTHING_FOUND, total)
    said = `${programmed?.status}: ${programmed?.message}`
    if (said.startsWith(expected)) return said
  }
  return assert.fail(`'${expected}' was expected, '${said}' is said`)
}

async function twoReplicas(t: TestContext) {
  const mesh = install(t)
  const [leader, other] = [await mesh.replica('leader'), await mesh.replica('other')]
  leader.digests.setLeader('self')
  other.digests.setLeader({ host: '127.0.0.1', port: leader.port })
  const first = stateOf(1)
  await Promise.all([leader.compile(first), other.compile(first)])
  const clients = new Map(PROXIES.map((name, index) => [name, mesh.connect(index < 3 ? leader : other, name)]))
  const both = (state: KubeState): Promise<unknown> => Promise.all([leader.compile(state), other.compile(state)])
  return { mesh, leader, other, clients, both, first }
}

test('a proxy of another replica that hangs is named: 5 of 6', async (t) => {
  const { leader, clients, both, first } = await twoReplicas(t)
  await until(leader, ROUTE, 'route', 1, 'True: 6 of 6 proxies')
  clients.get('e')?.pause()
  await both(stateOf(2, first))
  const said = await until(leader, ROUTE, 'route', 2, 'False: 5 of 6 proxies')
  assert.match(said, /5 of 6 proxies: default\/e has not acknowledged since 20/)
  await until(leader, RULE, 'rule', 1, 'True: 6 of 6 proxies')

  clients.get('e')?.resume()
  await until(leader, ROUTE, 'route', 2, 'True: 6 of 6 proxies')
})

test('a proxy of another replica that refuses a route holds back the route and not the rule, with its words', async (t) => {
  const { leader, clients, both, first } = await twoReplicas(t)
  await until(leader, ROUTE, 'route', 1, 'True: 6 of 6 proxies')
  const refusing = clients.get('f')
  assert.ok(refusing)
  refusing.judge = ({ typeUrl }) => (typeUrl === ROUTE_TYPE ? 'the timeout is not to my taste' : undefined)
  await both(stateOf(2, first))
  const said = await until(leader, ROUTE, 'route', 2, 'False: 5 of 6 proxies')
  assert.match(said, /default\/f rejected it: the timeout is not to my taste/)
  await until(leader, RULE, 'rule', 1, 'True: 6 of 6 proxies')
  const report = leader.digests.board.proxies().find(({ proxy }) => proxy === 'default/f')
  assert.deepEqual([report?.replica, report?.state, report?.rejection?.objects.includes(ROUTE)], ['other', 'rejected', true])
})

test('a proxy that has gone is counted until it is connected elsewhere', async (t) => {
  const { mesh, leader, clients } = await twoReplicas(t)
  await until(leader, ROUTE, 'route', 1, 'True: 6 of 6 proxies')
  clients.get('d')?.close()
  const said = await until(leader, ROUTE, 'route', 1, 'False: 5 of 6 proxies')
  assert.match(said, /default\/d is not connected any more/)
  mesh.connect(leader, 'd')
  await until(leader, ROUTE, 'route', 1, 'True: 6 of 6 proxies')
})

test('a replica that has not compiled a generation keeps it from being programmed', async (t) => {
  const { leader, other, first } = await twoReplicas(t)
  await until(leader, ROUTE, 'route', 1, 'True: 6 of 6 proxies')
  const second = stateOf(2, first)
  await leader.compile(second)
  assert.match(await until(leader, ROUTE, 'route', 2, 'False: 3 of 6 proxies'), /not compiled yet by other/)
  await other.compile(second)
  await until(leader, ROUTE, 'route', 2, 'True: 6 of 6 proxies')
})

test('of a replica that is gone the proxies are unknown, and nobody else than a control plane may report', async (t) => {
  const { mesh, leader, other } = await twoReplicas(t)
  await until(leader, ROUTE, 'route', 1, 'True: 6 of 6 proxies')
  other.close()
  assert.match(await until(leader, ROUTE, 'route', 1, 'False: 3 of 6 proxies'), /replica does not report any more/)

  const why = await new Promise<string>((resolve) => {
    mesh.dial({ host: '127.0.0.1', port: leader.port }, resolve)
  })
  assert.match(why, /status 7: a digest is taken from spiffe:\/\/cluster\.local\/ns\/istio-system\/sa\/istiod only/)
})
