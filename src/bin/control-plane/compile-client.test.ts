// The two ends of the compile thread against each other, and the main thread's end against threads that fail.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { MessageChannel, type MessagePort } from 'node:worker_threads'
import type { AnyApiObject } from '../../api/kinds.ts'
import { readYaml } from '../../api/read-yaml.ts'
import { FakeClock } from '../../base/fake-clock.ts'
import { compileRegex } from '../../base/regex.ts'
import { CLUSTER_TYPE } from '../../envoy/type-urls.ts'
import type { AddressPlan, WorkloadAddresses } from '../../model/address-plan.ts'
import { DEFAULT_MESH_SETTINGS } from '../../model/mesh-settings.ts'
import { emptyKubeState, type KubeState, nextKubeState } from '../../operator/ingest/kube-state.ts'
import { type CompileClient, type CompileRequest, createCompileClient, type StartCompileThread } from './compile-client.ts'
import { type FromCompileThread, handedOver, type ToCompileThread, type WantedNode } from './compile-protocol.ts'
import { CompileSide } from './compile-side.ts'
import { readPage } from './finding-pages.ts'

const CART: WantedNode = { namespace: 'default', workload: 'cart', isStock: false, type: 'sidecar', discoversVirtualHosts: false }
const READY: ReadonlySet<string> = new Set(['default/cart'])
const ADDRESSES: AddressPlan = { strategy: 'ports', workloads: { 'default/cart': addressesOf('default/cart') } }

function addressesOf(workload: string): WorkloadAddresses {
  const nowhere = { host: '127.0.0.1', port: 0 }
  const inbound = [{ name: 'http', containerPort: 8080, listen: nowhere, application: nowhere }]
  return { workload, address: '127.0.0.1', admin: nowhere, health: nowhere, metrics: nowhere, httpProxy: nowhere, inbound, outbound: [] }
}

const service = (name: string): string =>
  `apiVersion: v1\nkind: Service\nmetadata: {name: ${name}}\nspec: {selector: {app: ${name}}, ports: [{name: http, port: 80, targetPort: 8080}]}\n`
const workload = (name: string): string =>
  `apiVersion: lateen.dev/v1alpha1\nkind: LocalWorkload\nmetadata: {name: ${name}, labels: {app: ${name}}}\nspec: {serviceAccount: ${name}, command: [x], ports: [{name: http, containerPort: 8080}]}\n`

function objects(...texts: readonly string[]): readonly AnyApiObject[] {
  const read = readYaml(texts.join('---\n'), 'mesh.yaml', { defaultNamespace: 'default', compileRegex })
  assert.equal(read.broken, false, JSON.stringify(read.findings))
  return read.objects
}

function stateOf(texts: readonly string[], previous: KubeState = emptyKubeState): KubeState {
  return nextKubeState(previous, objects(...texts))
}

const requestOf = (state: KubeState, ready = READY): CompileRequest => ({ state, addresses: ADDRESSES, ready })

/** What is seen on its way to one thread. */
interface Started {
  readonly sent: ToCompileThread[]
  readonly events: Parameters<StartCompileThread>[0]
}

interface Fixture {
  readonly client: CompileClient
  readonly threads: Started[]
  readonly deaths: string[]
  /** Resolves when nodes have been served next. */
  served(): Promise<ReadonlySet<string>>
}

/** @param run makes the thread; undefined: it says nothing. */
function start(t: TestContext, run?: (post: (message: FromCompileThread) => void) => (message: ToCompileThread) => void): Fixture {
  const threads: Started[] = []
  const deaths: string[] = []
  let waiting: ((nodes: ReadonlySet<string>) => void)[] = []
  const startThread: StartCompileThread = (events) => {
    const { port1, port2 } = new MessageChannel()
    const started = { sent: [], events } satisfies Started
    threads.push(started)
    listen(port1, (from: FromCompileThread) => events.message(from))
    const receive = run?.((message) => port2.postMessage(message, handedOver(message)))
    listen(port2, (to: ToCompileThread) => {
      threads[threads.indexOf(started)]?.sent.push(to)
      receive?.(to)
    })
    t.after(() => port1.close())
    return {
      post: (message) => port1.postMessage(message),
      async stop() {
        port1.close()
      },
    }
  }
  const client = createCompileClient(
    startThread,
    (nodes) => {
      const now = waiting
      waiting = []
      for (const resolve of now) resolve(nodes)
    },
    (why) => void deaths.push(why),
  )
  t.after(() => client.stop())
  return { client, threads, deaths, served: () => new Promise((resolve) => waiting.push(resolve)) }
}

function listen<M>(port: MessagePort, take: (message: M) => void): void {
  port.on('message', (message: M) => take(message))
}

/** The product's own thread side, on this thread. */
function realSide(post: (message: FromCompileThread) => void): (message: ToCompileThread) => void {
  const side = new CompileSide(
    { settings: DEFAULT_MESH_SETTINGS, capture: 'redirect' },
    { compileRegex, clock: new FakeClock(), post, soon: (action) => void setImmediate(action) },
  )
  return (message) => side.receive(message)
}

const clustersOf = (client: CompileClient): readonly string[] => {
  const { shared, own } = client.resourcesFor(CART)?.get(CLUSTER_TYPE) ?? {}
  return [...(shared?.keys() ?? []), ...(own?.keys() ?? [])].filter((name) => name.startsWith('outbound|')).sort()
}

test('what a round changes is served, and what there is to say comes with it', async (t) => {
  const { client, served } = start(t, realSide)
  assert.equal(client.resourcesFor(CART), undefined, 'made known, served later')
  const first = stateOf([workload('cart'), service('cart')])
  const coming = served()
  const { findings, counts } = await client.compile(requestOf(first))
  assert.deepEqual(counts, { services: 1, routes: 0, workloads: 1 })
  assert.equal(findings.count, 0)
  assert.equal((await coming).size, 1)
  assert.deepEqual(clustersOf(client), ['outbound|80||cart.default.svc.cluster.local'])
  assert.deepEqual(client.runsAs.get('default/cart'), { serviceAccount: 'cart', isGateway: false })

  const again = served()
  const outcome = await client.compile(requestOf(stateOf([workload('cart'), service('cart'), service('price')], first)))
  await again
  assert.deepEqual(clustersOf(client), ['outbound|80||cart.default.svc.cluster.local', 'outbound|80||price.default.svc.cluster.local'])
  assert.equal(outcome.counts.services, 2)
})

test('analysis is of the objects of the last round', async (t) => {
  const { client } = start(t, realSide)
  await client.compile(requestOf(stateOf([workload('cart'), service('cart'), service('nobody')])))
  const { count, pages } = await client.analyze()
  const found = pages.flatMap((page) => readPage(page))
  assert.deepEqual([count, found.map(({ code, object }) => `${code} ${object?.name}`)], [1, ['LTN0306 nobody']])
})

test('Findings stay when a round changes none, and are new only once', async (t) => {
  const { client } = start(t, realSide)
  const missing =
    'apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata: {name: r}\nspec: {hosts: [cart], http: [{route: [{destination: {host: nowhere}}]}]}\n'
  const state = stateOf([workload('cart'), service('cart'), missing])
  const first = await client.compile(requestOf(state))
  assert.deepEqual([first.findings.count, first.fresh.count], [1, 1])
  const second = await client.compile(requestOf(state, new Set()))
  assert.deepEqual([second.findings.count, second.fresh.count], [1, 0])
})

test('a large state goes out in pieces, and arrives whole', async (t) => {
  const names = Array.from({ length: 1100 }, (_, index) => `s${index}`)
  const { client, threads } = start(t, realSide)
  const { counts } = await client.compile(requestOf(stateOf([workload('cart'), ...names.map(service)])))
  assert.equal(counts.services, 1100)
  const sizes = threads[0]?.sent.map((message) => ('changed' in message ? message.changed.length : 0)) ?? []
  assert.ok(sizes.length >= 3 && Math.max(...sizes) <= 500, sizes.join(' '))
})

test('a thread that dies fails its round, and its successor is told everything', async (t) => {
  const { client, threads, deaths } = start(t)
  client.resourcesFor(CART)
  const failing = client.compile(requestOf(stateOf([workload('cart'), service('cart')])))
  const question = client.analyze()
  await untilSent(threads, 0, 'compile')
  threads[0]?.events.died('out of memory')

  await assert.rejects(failing, /compile thread ended: out of memory/)
  await assert.rejects(question, /compile thread ended/)
  assert.deepEqual(deaths, ['out of memory'])
  const order = await untilSent(threads, 1, 'compile')
  assert.ok(order.kind === 'compile' && order.whole)
  assert.deepEqual(order.changed.map(({ kind, metadata }) => `${kind} ${metadata.name}`).sort(), ['LocalWorkload cart', 'Service cart'])
  assert.ok(order.addresses !== undefined && order.ready !== undefined, 'it knows nothing of what its predecessor was told')
  const wanted = threads[1]?.sent.find(({ kind }) => kind === 'want')
  assert.ok(wanted?.kind === 'want' && wanted.nodes.length === 1)
})

test('a thread that dies in the middle of a large state leaves no half of it to its successor', async (t) => {
  const names = Array.from({ length: 1100 }, (_, index) => `s${index}`)
  const { client, threads } = start(t)
  const failing = client.compile(requestOf(stateOf(names.map(service))))
  await untilSent(threads, 0, 'objects')
  threads[0]?.events.died('gone')
  await assert.rejects(failing)
  await untilSent(threads, 1, 'compile')

  const parts = (threads[1]?.sent ?? []).filter((message) => message.kind === 'objects' || message.kind === 'compile')
  assert.deepEqual(
    parts.map(({ whole }) => whole),
    parts.map((_part, index) => index === 0),
    'the first part makes a clean table',
  )
  assert.equal(new Set(parts.flatMap(({ changed }) => changed.map(({ metadata }) => metadata.name))).size, 1100)
  assert.equal(
    threads[0]?.sent.some(({ kind }) => kind === 'compile'),
    false,
  )
})

test('a round that fails keeps what is served, and the next one tells everything', async (t) => {
  let isBroken = false
  const fixture = start(t, (post) => {
    const receive = realSide(post)
    return (message) => {
      if (isBroken && message.kind === 'compile') post({ kind: 'failed', round: message.round, reason: 'a bug' })
      else receive(message)
    }
  })
  const { client, threads, served } = fixture
  client.resourcesFor(CART)
  const coming = served()
  const first = stateOf([workload('cart'), service('cart')])
  await client.compile(requestOf(first))
  await coming

  isBroken = true
  const second = stateOf([workload('cart'), service('cart'), service('price')], first)
  await assert.rejects(client.compile(requestOf(second)), /a bug/)
  assert.deepEqual(clustersOf(client), ['outbound|80||cart.default.svc.cluster.local'])

  isBroken = false
  const again = served()
  await client.compile(requestOf(second))
  await again
  const last = threads[0]?.sent.findLast(({ kind }) => kind === 'compile')
  assert.ok(last?.kind === 'compile' && last.whole && last.changed.length === 3)
  assert.equal(clustersOf(client).length, 2)
})

test('nobody who has left is remembered', async (t) => {
  const { client, threads, served } = start(t, realSide)
  client.resourcesFor(CART)
  const coming = served()
  await client.compile(requestOf(stateOf([workload('cart'), service('cart')])))
  await coming
  client.keepOnly([])
  const forgotten = await untilSent(threads, 0, 'forget')
  assert.ok(forgotten.kind === 'forget' && forgotten.ids.length === 1)
  assert.equal(client.resourcesFor(CART), undefined)
})

/** The first message of its kind that this thread is sent; looked for after every turn of the loop. */
async function untilSent(threads: readonly Started[], thread: number, kind: ToCompileThread['kind']): Promise<ToCompileThread> {
  for (;;) {
    const found = threads[thread]?.sent.find((message) => message.kind === kind)
    if (found !== undefined) return found
    await new Promise((resolve) => setImmediate(resolve))
  }
}
