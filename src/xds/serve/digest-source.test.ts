// What one replica's digests remember, and what a whole digest round costs.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import type { ServedResources } from '../generate/resources.ts'
import type { Concerns } from '../view/concerns.ts'
import type { ProxyNode } from '../view/proxy-node.ts'
import type { Acknowledgement } from './acknowledged.ts'
import { createDigestBoard } from './digest-board.ts'
import { createDigestDifference } from './digest-message.ts'
import { createDigestSource, type DigestSource } from './digest-source.ts'

const RESOURCES: ServedResources = new Map()

function node(workload: string): ProxyNode {
  return {
    ...{ id: `sidecar~10.0.0.1~${workload}.ns~ns.svc`, type: 'sidecar', address: '10.0.0.1', workload, namespace: 'ns', domain: 'ns.svc' },
    ...{ serviceAccount: 'a', labels: {}, isStock: false, discoversVirtualHosts: true },
  }
}

function acknowledged(workload: string, more: Partial<Acknowledgement> = {}): Acknowledgement {
  const clean = { taken: RESOURCES, clean: RESOURCES, isCurrent: true, rejections: [] }
  return { node: node(workload), connectedSinceMs: 0, sinceMs: 0, ...clean, ...more }
}

interface Scene {
  readonly source: DigestSource
  readonly clock: FakeClock
  connected: readonly Acknowledgement[]
  round: number
  asked: number
}

function scene(concerns: Concerns): Scene {
  const clock = new FakeClock()
  const made: Scene = {
    ...{ clock, connected: [], round: 1, asked: 0 },
    source: createDigestSource({
      acknowledgements: () => made.connected,
      async concerns() {
        made.asked++
        return concerns
      },
      stamp: () => made.round,
      roundOf: (_node, resources) => (resources === undefined ? 0 : made.round),
      keyOf: ({ namespace, workload }) => `${namespace}/${workload}`,
      clock,
    }),
  }
  return made
}

const ROUTE = 'VirtualService ns/a'
const of = (...proxies: readonly string[]): Concerns => ({ objects: [ROUTE], groups: [{ objects: Uint32Array.of(0), proxies }] })
const version = (generation: number): readonly [string, { readonly uid: string; readonly generation: number }, object] => [
  ROUTE,
  { uid: 'u', generation },
  {},
]

test('a proxy that has gone is counted as absent for ten minutes, unless it comes back', async () => {
  const mesh = scene(of('ns/x', 'ns/y'))
  mesh.source.compiled(1, [version(1)])
  mesh.connected = [acknowledged('x'), acknowledged('y')]
  assert.equal((await mesh.source.digest()).objects[0]?.concerned, 2)
  mesh.connected = [acknowledged('x')]
  const { objects } = await mesh.source.digest()
  assert.deepEqual([objects[0]?.concerned, objects[0]?.absent], [1, 1])
  assert.deepEqual(
    mesh.source.absent().map(({ workload }) => workload),
    ['y'],
  )
  mesh.clock.advance(11 * 60_000)
  assert.equal((await mesh.source.digest()).objects[0]?.absent, 0)
  mesh.connected = []
  assert.equal((await mesh.source.digest()).objects[0]?.absent, 1)
  mesh.connected = [acknowledged('x')]
  assert.equal((await mesh.source.digest()).objects[0]?.absent, 0)
})

test('a proxy that has just come does not count until it has its first configuration, or has had the time for it', async () => {
  const mesh = scene(of('ns/x'))
  mesh.source.compiled(1, [version(1)])
  mesh.connected = [acknowledged('x', { connectedSinceMs: mesh.clock.nowMs(), taken: undefined, clean: undefined, isCurrent: false })]
  assert.equal((await mesh.source.digest()).objects[0]?.concerned, 0)
  mesh.clock.advance(30_000)
  const [row] = (await mesh.source.digest()).objects
  assert.deepEqual([row?.concerned, row?.programmed], [1, 0])
})

test('an object of the same generation keeps its round; another generation or uid begins a new one', async () => {
  const mesh = scene(of('ns/x'))
  mesh.connected = [acknowledged('x')]
  mesh.source.compiled(1, [version(1)])
  mesh.source.compiled(7, [version(1)])
  assert.equal((await mesh.source.digest()).objects[0]?.programmed, 1)
  mesh.source.compiled(8, [version(2)])
  assert.equal((await mesh.source.digest()).objects[0]?.programmed, 0)
  mesh.round = 8
  assert.equal((await mesh.source.digest()).objects[0]?.programmed, 1)
})

test('whom objects concern is asked for only when it may be different', async () => {
  const mesh = scene(of('ns/x'))
  mesh.connected = [acknowledged('x')]
  for (let times = 0; times < 5; times++) await mesh.source.digest()
  assert.equal(mesh.asked, 1)
  mesh.round++
  await mesh.source.digest()
  assert.equal(mesh.asked, 2)
})

test('a digest round with 2,000 proxies and 1,000 objects, from proxies to totals at the leader: less than 60 ms of CPU', async (t) => {
  const names = Array.from({ length: 1000 }, (_, index) => `VirtualService ns/${index}`)
  const groups = Array.from({ length: 50 }, (_, group) => ({
    objects: Uint32Array.from(names, (_name, index) => index),
    proxies: Array.from({ length: 40 }, (_name, index) => `ns/p-${group}-${index}`),
  }))
  const mesh = scene({ objects: names, groups })
  mesh.connected = groups.flatMap(({ proxies }) => proxies.map((proxy) => acknowledged(proxy.slice(3))))
  const difference = createDigestDifference('a')
  const board = createDigestBoard(() => 0)
  const round = async (generation: number): Promise<void> => {
    mesh.round = generation
    mesh.source.compiled(
      generation,
      names.map((name, index) => [name, { uid: 'u', generation: index < 10 ? generation : 1 }, {}] as const),
    )
    for (const message of difference(await mesh.source.digest())) board.take(message)
    for (const name of board.takeChanged()) board.total(name, 'u', 1)
  }
  await round(1)
  await round(2)
  const rounds = 10
  const before = process.cpuUsage()
  for (let index = 0; index < rounds; index++) await round(3 + index)
  const { user, system } = process.cpuUsage(before)
  const ms = (user + system) / 1000 / rounds
  t.diagnostic(`${ms.toFixed(2)} ms of CPU per round`)
  const quietBefore = process.cpuUsage()
  for (let index = 0; index < rounds; index++) assert.equal(difference(await mesh.source.digest()).length, 0)
  const quiet = process.cpuUsage(quietBefore)
  t.diagnostic(`${((quiet.user + quiet.system) / 1000 / rounds).toFixed(2)} ms when nothing is new`)
  assert.equal(board.total(names[0] ?? '', 'u', 1).programmed, 2000)
  assert.ok(ms < 60, `${ms} ms`)
})
