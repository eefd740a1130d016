// When statuses are written, and when not.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import type { ApiObject } from '../../api/object-meta.ts'
import { FakeClock } from '../../base/fake-clock.ts'
import { silentLogger } from '../../base/log.ts'
import type { ObjectTotal } from '../../model/progress.ts'
import { asConditions, type Condition, verdictsOf } from './conditions.ts'
import { type FindingSummary, NOTHING_FOUND } from './findings-by-object.ts'
import type { StatusEvent } from './status-events.ts'
import { createStatusKeeper, type StatusKeeper } from './status-keeper.ts'

const key = (index: number): string => `VirtualService default/${index}`
const all = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => key(index))
const totalOf = (programmed: number, concerned: number): ObjectTotal => ({ programmed, concerned, lagging: [], outdated: [] })

interface Mesh {
  readonly keeper: StatusKeeper
  readonly clock: FakeClock
  readonly writes: (readonly [key: string, programmed: string])[]
  readonly events: StatusEvent[]
  total: ObjectTotal
  found: FindingSummary
  generation: number
  status: unknown
  /** Lets so much time pass, tick by tick. */
  pass(ms: number): void
  /** Of objects with the mesh's status. */
  lead(keys: readonly string[]): void
}

function start(t: TestContext): Mesh {
  const clock = new FakeClock()
  const object = (name: string): ApiObject => ({
    ...{ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', spec: {} },
    metadata: { ...{ name, namespace: 'default', uid: 'u', generation: mesh.generation }, labels: {}, annotations: {} },
  })
  const keeper = createStatusKeeper({
    object: (of) => (of.startsWith('VirtualService default/') ? object(of.slice('VirtualService default/'.length)) : undefined),
    found: () => mesh.found,
    total: () => mesh.total,
    write({ metadata }, conditions) {
      const programmed = conditions.find(({ type }) => type === 'Programmed')
      mesh.writes.push([metadata.name, `${programmed?.status} ${programmed?.message}`])
    },
    tell: (event) => void mesh.events.push(event),
    ...{ clock, log: silentLogger },
  })
  t.after(() => keeper.stop())
  const mesh: Mesh = {
    ...{ keeper, clock, writes: [], events: [], total: totalOf(6, 6), found: NOTHING_FOUND, generation: 1 },
    status: undefined,
    pass: (ms) => clock.advance(ms),
    lead: (keys) => keeper.lead(keys, new Map(keys.map((each) => [each, { uid: 'u', status: mesh.status }]))),
  }
  return mesh
}

const statusOf = (total: ObjectTotal, generation = 1): { readonly conditions: readonly Condition[] } => ({
  conditions: asConditions(verdictsOf('VirtualService', NOTHING_FOUND, total), generation),
})

test('a status is written once, and not again while it is the same', (t) => {
  const mesh = start(t)
  mesh.lead([key(0)])
  mesh.pass(500)
  assert.deepEqual(mesh.writes, [['0', 'True 6 of 6 proxies']])
  mesh.keeper.touch([key(0)])
  mesh.pass(5000)
  assert.equal(mesh.writes.length, 1)
})

test('who does not lead writes nothing', (t) => {
  const mesh = start(t)
  mesh.keeper.touch([key(0)])
  mesh.pass(5000)
  assert.deepEqual(mesh.writes, [])
})

test('after a restart what objects say already is not written again', (t) => {
  const mesh = start(t)
  mesh.status = statusOf(totalOf(6, 6))
  mesh.lead(all(100))
  mesh.pass(30_000)
  assert.deepEqual(mesh.writes, [])
})

test('while proxies come back to a new leader, a status of the same generation stays; of a new one it is written', (t) => {
  const mesh = start(t)
  mesh.status = statusOf(totalOf(6, 6))
  mesh.total = totalOf(2, 2)
  mesh.lead([key(0)])
  mesh.pass(10_000)
  assert.deepEqual(mesh.writes, [])
  mesh.total = totalOf(6, 6)
  mesh.keeper.touch([key(0)])
  mesh.pass(20_000)
  assert.deepEqual(mesh.writes, [], 'all are back')
})

test('a change that proxies take in time is one write, without a step between', (t) => {
  const mesh = start(t)
  mesh.lead([key(0)])
  mesh.pass(25_000)
  mesh.generation = 2
  mesh.total = totalOf(0, 6)
  mesh.keeper.touch([key(0)])
  mesh.pass(750)
  assert.equal(mesh.writes.length, 1, 'held back')
  mesh.total = totalOf(6, 6)
  mesh.keeper.touch([key(0)])
  mesh.pass(250)
  assert.deepEqual(mesh.writes.at(-1), ['0', 'True 6 of 6 proxies'])
  assert.equal(mesh.writes.length, 2)
})

test('a proxy that does not acknowledge is said after a moment', (t) => {
  const mesh = start(t)
  mesh.lead([key(0)])
  mesh.pass(25_000)
  mesh.total = { ...totalOf(5, 6), lagging: [{ proxy: 'default/slow', why: 'unanswered', sinceMs: 0 }] }
  mesh.keeper.touch([key(0)])
  mesh.pass(2000)
  assert.match(mesh.writes.at(-1)?.[1] ?? '', /^False 5 of 6 proxies: default\/slow/)
})

test('other numbers alone are written once a minute', (t) => {
  const mesh = start(t)
  mesh.lead([key(0)])
  mesh.pass(25_000)
  for (let pods = 7; pods < 20; pods++) {
    mesh.total = totalOf(pods, pods)
    mesh.keeper.touch([key(0)])
    mesh.pass(1000)
  }
  assert.equal(mesh.writes.length, 1)
  mesh.pass(60_000)
  assert.deepEqual(mesh.writes.slice(1), [['0', 'True 19 of 19 proxies']])
})

test('an object that is gone is forgotten', (t) => {
  const mesh = start(t)
  mesh.keeper.lead(['VirtualService elsewhere/0'], new Map())
  mesh.pass(5000)
  assert.deepEqual(mesh.writes, [])
})

test('a status that somebody else has changed is put right', (t) => {
  const mesh = start(t)
  mesh.lead([key(0)])
  mesh.pass(25_000)
  mesh.keeper.compare(new Map([[key(0), { uid: 'u', status: { conditions: [] } }]]))
  mesh.pass(250)
  assert.equal(mesh.writes.length, 2)
})

test('a refusal is an Event, once', (t) => {
  const mesh = start(t)
  mesh.lead([key(0)])
  mesh.pass(25_000)
  assert.equal(mesh.events.length, 0)
  mesh.total = { ...totalOf(5, 6), lagging: [{ proxy: 'default/a', why: 'rejected', sinceMs: 0, message: 'bad' }] }
  for (let times = 0; times < 3; times++) {
    mesh.keeper.touch([key(0)])
    mesh.pass(1000)
  }
  assert.deepEqual(
    mesh.events.map(({ reason, regarding }) => [reason, regarding.name]),
    [['RejectedByProxy', '0']],
  )
})
