// Statuses and Events against an API server: what is written, what is left alone, and by whom.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { isRecord } from '../../api/record.ts'
import { FakeClock } from '../../base/fake-clock.ts'
import { silentLogger } from '../../base/log.ts'
import { seededRandom } from '../../base/random.ts'
import { type FakeApiServer, startApiServer } from '../../kube/api-server.fixture.ts'
import { createKubeClient } from '../../kube/client.ts'
import type { ObjectTotal } from '../../model/progress.ts'
import type { FindingSummary } from './findings-by-object.ts'
import { NOTHING_FOUND } from './findings-by-object.ts'
import { type KeptStatuses, keepStatuses } from './keep-statuses.ts'

const KEY = 'VirtualService default/reviews'

interface Scene {
  readonly api: FakeApiServer
  readonly clock: FakeClock
  isLeader: boolean
  total: ObjectTotal
  found: FindingSummary
  open(): KeptStatuses
  readonly patches: () => number
  condition(type: string): Readonly<Record<string, unknown>>
  /** Lets time pass and what follows from it be done. */
  pass(kept: KeptStatuses, ms: number): Promise<void>
}

async function scene(t: TestContext): Promise<Scene> {
  const api = await startApiServer(t)
  const clock = new FakeClock()
  const client = createKubeClient(api.connection, { clock })
  t.after(() => client.close())
  const made: Scene = {
    ...{ api, clock, isLeader: true, total: { programmed: 6, concerned: 6, lagging: [], outdated: [] }, found: NOTHING_FOUND },
    open() {
      const kept = keepStatuses({
        ...{ client, clock, random: seededRandom(1), log: silentLogger, instance: 'control-plane-a', namespaces: undefined },
        ...{ isLeader: () => made.isLeader, all: () => [KEY], found: () => made.found, total: () => made.total },
        object(key) {
          const object = api.get('VirtualService', 'reviews', 'default')
          if (key !== KEY || object === undefined) return undefined
          const { uid = '', generation } = object.metadata
          return {
            ...{ apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', spec: {} },
            metadata: { name: 'reviews', namespace: 'default', labels: {}, annotations: {}, uid, generation: Number(generation) },
          }
        },
      })
      t.after(() => kept.stop())
      return kept
    },
    patches: () => api.requests.filter(({ method }) => method === 'PATCH').length,
    condition(type) {
      const status = api.get('VirtualService', 'reviews', 'default')?.status
      const all: readonly unknown[] = isRecord(status) && Array.isArray(status.conditions) ? status.conditions : []
      const found = all.find((each) => isRecord(each) && each.type === type)
      return isRecord(found) ? found : {}
    },
    async pass(kept, ms) {
      for (let passed = 0; passed < ms; passed += 500) {
        clock.advance(500)
        await kept.idle()
      }
    },
  }
  api.put('VirtualService', {
    metadata: { name: 'reviews', namespace: 'default' },
    spec: { hosts: ['reviews'] },
    status: { conditions: [{ type: 'Reconciled', status: 'True' }] },
  })
  return made
}

test('the leader writes all conditions, with the generation, and leaves those of others', async (t) => {
  const mesh = await scene(t)
  const kept = mesh.open()
  await kept.lead()
  await mesh.pass(kept, 500)
  assert.deepEqual(
    ['Accepted', 'Programmed', 'Conflicted', 'PartiallyIgnored', 'Reconciled'].map((type) => mesh.condition(type).status),
    ['True', 'True', 'False', 'False', 'True'],
  )
  const { message, observedGeneration } = mesh.condition('Programmed')
  assert.deepEqual([message, observedGeneration], ['6 of 6 proxies', 1])
})

test('a restart writes nothing', async (t) => {
  const mesh = await scene(t)
  const first = mesh.open()
  await first.lead()
  await mesh.pass(first, 500)
  await first.stop()
  const written = mesh.patches()
  const second = mesh.open()
  await second.lead()
  await mesh.pass(second, 60_000)
  assert.deepEqual([written, mesh.patches()], [1, 1])
})

test('who does not lead writes nothing, and who leads no more stops', async (t) => {
  const mesh = await scene(t)
  const kept = mesh.open()
  kept.touch([KEY])
  await mesh.pass(kept, 5000)
  assert.equal(mesh.api.requests.length, 0)
  await kept.lead()
  mesh.isLeader = false
  await mesh.pass(kept, 5000)
  assert.equal(mesh.patches(), 0)
})

test('a proxy that refuses is in the status and an Event on the object; the time of the condition is that of its turn', async (t) => {
  const mesh = await scene(t)
  const kept = mesh.open()
  await kept.lead()
  await mesh.pass(kept, 25_000)
  const before = mesh.condition('Programmed').lastTransitionTime
  mesh.total = { ...mesh.total, programmed: 5, lagging: [{ proxy: 'default/a', why: 'rejected', sinceMs: 0, message: 'no such cluster' }] }
  kept.touch([KEY])
  await mesh.pass(kept, 1000)
  const { status, reason, lastTransitionTime } = mesh.condition('Programmed')
  assert.deepEqual([status, reason], ['False', 'Rejected'])
  assert.notEqual(lastTransitionTime, before)
  assert.equal(mesh.condition('Accepted').lastTransitionTime, before)
  const events = mesh.api.requests.filter(({ method, path }) => method === 'POST' && path.endsWith('/events'))
  assert.equal(events.length, 1)
  const body = events[0]?.body
  assert.ok(isRecord(body) && isRecord(body.regarding))
  assert.deepEqual([body.reason, body.type, body.regarding.name], ['RejectedByProxy', 'Warning', 'reviews'])
})

test('a status of ours that somebody has removed is written again', async (t) => {
  const mesh = await scene(t)
  const kept = mesh.open()
  await kept.lead()
  await mesh.pass(kept, 1000)
  mesh.api.put('VirtualService', { metadata: { name: 'reviews', namespace: 'default' }, spec: { hosts: ['reviews'] }, status: {} })
  assert.equal(mesh.condition('Programmed').status, undefined)
  mesh.clock.advance(10 * 60_000)
  while (mesh.patches() < 2) {
    await nextTurn()
    mesh.clock.advance(250)
  }
  await kept.idle()
  assert.equal(mesh.condition('Programmed').status, 'True')
})
