import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isRecord } from '../api/record.ts'
import { FakeClock } from '../base/fake-clock.ts'
import { seededRandom } from '../base/random.ts'
import { type FakeApiServer, type ReceivedRequest, startApiServer } from './api-server.fixture.ts'
import { createKubeClient } from './client.ts'
import { type Condition, statusPatch } from './conditions.ts'
import { resourceOf } from './resource.ts'
import { createStatusWriter, type StatusTarget, type StatusWriter, type StatusWriterOptions } from './status-writer.ts'
import { until } from './until.fixture.ts'

const accepted: Condition = { type: 'Accepted', status: 'True', reason: 'Accepted', message: 'in force', observedGeneration: 1 }
const target: StatusTarget = { resource: resourceOf('VirtualService'), namespace: 'default', name: 'a' }
const isPatch = ({ method }: ReceivedRequest): boolean => method === 'PATCH'

interface Scene {
  readonly api: FakeApiServer
  readonly clock: FakeClock
  readonly writer: StatusWriter
  readonly conditions: (name?: string) => readonly unknown[]
}

async function scene(t: TestContext, options: Partial<StatusWriterOptions> = {}): Promise<Scene> {
  const api = await startApiServer(t)
  const clock = new FakeClock()
  // Its own, so that the only timer of `clock` is the writer's wait.
  const client = createKubeClient(api.connection, { clock: new FakeClock() })
  const writer = createStatusWriter({ client, clock, random: seededRandom(3), ...options })
  t.after(async () => {
    await writer.stop()
    client.close()
  })
  const conditions = (name = 'a'): readonly unknown[] => {
    const status = api.get('VirtualService', name, 'default')?.status
    return isRecord(status) && Array.isArray(status.conditions) ? status.conditions : []
  }
  return { api, clock, writer, conditions }
}

function virtualService(name: string, status?: object) {
  return { metadata: { name, namespace: 'default' }, spec: { hosts: ['a'] }, ...(status === undefined ? {} : { status }) }
}

test('a status is written to the status subresource, once', async (t) => {
  const { api, writer, conditions } = await scene(t)
  api.put('VirtualService', virtualService('a'))
  writer.set(target, { conditions: [accepted], fields: { observedGeneration: 1 } })
  await writer.idle()
  assert.deepEqual(conditions(), [{ ...accepted, lastTransitionTime: '2026-01-01T00:00:00Z' }])
  assert.equal(api.get('VirtualService', 'a', 'default')?.metadata.generation, 1)

  writer.set(target, { conditions: [accepted], fields: { observedGeneration: 1 } })
  await writer.idle()
  assert.equal(api.requests.filter(isPatch).length, 1)
  assert.match(api.requests.find(isPatch)?.path ?? '', /virtualservices\/a\/status$/)
  assert.equal(writer.counts.unchanged, 1)
})

test('what the informer saw spares the request when nothing changes', async (t) => {
  const { api, writer } = await scene(t)
  const status = { conditions: [{ ...accepted, lastTransitionTime: '2025-01-01T00:00:00Z' }] }
  const object = api.put('VirtualService', virtualService('a', status))
  writer.set(target, { conditions: [accepted] }, { resourceVersion: object.metadata.resourceVersion, status: object.status })
  await writer.idle()
  assert.equal(api.requests.length, 0)
})

test("other controllers' conditions stay, also those that came between reading and writing", async (t) => {
  const { api, writer, conditions } = await scene(t)
  const foreign = { type: 'Reconciled', status: 'True' }
  const object = api.put('VirtualService', virtualService('a'))
  api.put('VirtualService', virtualService('a', { conditions: [foreign] }))
  writer.set(target, { conditions: [accepted] }, { resourceVersion: object.metadata.resourceVersion, status: object.status })
  await writer.idle()
  assert.deepEqual(conditions()[0], foreign)
  assert.equal(conditions().length, 2)
  assert.equal(writer.counts.conflicts, 1)
})

test('of several wishes for one object the newest is written', async (t) => {
  const { api, writer, conditions, clock } = await scene(t, { rate: { perSecond: 1, burst: 1 } })
  for (const name of ['a', 'b']) api.put('VirtualService', virtualService(name))
  writer.set({ ...target, name: 'b' }, { conditions: [accepted] })
  for (const message of ['first', 'second', 'third']) writer.set(target, { conditions: [{ ...accepted, message }] })
  await until(() => writer.counts.written === 1 && clock.pendingTimers === 1, 'the first write')
  clock.advance(1000)
  await writer.idle()
  const [condition] = conditions()
  assert.equal(isRecord(condition) && condition.message, 'third')
  assert.equal(api.requests.filter(isPatch).length, 2)
})

test('writes keep to the rate', async (t) => {
  const { api, writer, clock } = await scene(t, { rate: { perSecond: 10, burst: 3 } })
  for (let i = 0; i < 8; i++) {
    api.put('VirtualService', virtualService(`v${i}`))
    writer.set({ ...target, name: `v${i}` }, { conditions: [accepted] })
  }
  for (let written = 3; written < 8; written++) {
    await until(() => writer.counts.written === written && clock.pendingTimers === 1, `${written} writes`)
    clock.advance(100)
  }
  await writer.idle()
  assert.equal(writer.counts.written, 8)
})

test('an object that is gone, or another of its name, is left alone', async (t) => {
  const { api, writer, conditions } = await scene(t)
  writer.set(target, { conditions: [accepted] })
  await writer.idle()
  const { metadata } = api.put('VirtualService', virtualService('a'))
  api.remove('VirtualService', 'a', 'default')
  api.put('VirtualService', virtualService('a'))
  writer.set({ ...target, uid: metadata.uid }, { conditions: [accepted] }, { resourceVersion: metadata.resourceVersion, status: undefined })
  await writer.idle()
  assert.equal(writer.counts.gone, 2)
  assert.deepEqual(conditions(), [])
})

test('an API server that is away gets the status when it is back', async (t) => {
  const { api, writer, conditions, clock } = await scene(t)
  api.put('VirtualService', virtualService('a'))
  await api.stop()
  writer.set(target, { conditions: [accepted] })
  await until(() => clock.pendingTimers === 1 && writer.counts.pending === 1, 'the wait')
  await api.start()
  clock.advance(30_000)
  await writer.idle()
  assert.equal(conditions().length, 1)
})

test('a replica that does not lead writes nothing', async (t) => {
  let leads = false
  const { api, writer } = await scene(t, { allowed: () => leads })
  api.put('VirtualService', virtualService('a'))
  writer.set(target, { conditions: [accepted] })
  await writer.idle()
  assert.equal(api.requests.length, 0)
  leads = true
  writer.set(target, { conditions: [accepted] })
  await writer.idle()
  assert.equal(writer.counts.written, 1)
})

test('a right that is missing is counted and not tried again', async (t) => {
  const { api, writer, clock } = await scene(t)
  api.put('VirtualService', virtualService('a'))
  api.interrupt({ status: 403, reason: 'Forbidden' }, isPatch)
  writer.set(target, { conditions: [accepted] })
  await writer.idle()
  assert.equal(writer.counts.failed, 1)
  assert.equal(clock.pendingTimers, 0)
})

test('more objects than the queue holds cost the oldest', async (t) => {
  const { api, writer, clock } = await scene(t, { maxPending: 2, rate: { perSecond: 1, burst: 1 } })
  for (let i = 0; i < 5; i++) writer.set({ ...target, name: `v${i}` }, { conditions: [accepted] })
  assert.ok(writer.counts.dropped >= 2 && writer.counts.pending <= 2)
  await api.requested(() => true)
  await until(() => clock.pendingTimers === 1, 'the wait for the rate')
})

test('lastTransitionTime moves only with the status of its condition', () => {
  const old = { ...accepted, lastTransitionTime: '2020-01-01T00:00:00Z' }
  const present = { conditions: [old] }
  assert.equal(statusPatch(present, { conditions: [accepted] }, 0), undefined)
  const reworded = statusPatch(present, { conditions: [{ ...accepted, message: 'else' }] }, 0)
  assert.deepEqual(reworded, { conditions: [{ ...old, message: 'else' }] })
  const turned = statusPatch(present, { conditions: [{ ...accepted, status: 'False' }] }, 0)
  assert.deepEqual(turned, { conditions: [{ ...accepted, status: 'False', lastTransitionTime: '1970-01-01T00:00:00Z' }] })
})

test('a condition that we own and no longer wish is taken away', () => {
  const present = {
    conditions: [
      { type: 'Conflicted', status: 'True' },
      { type: 'Foreign', status: 'True' },
    ],
  }
  assert.deepEqual(statusPatch(present, { conditions: [], owned: ['Conflicted'] }, 0), {
    conditions: [{ type: 'Foreign', status: 'True' }],
  })
})
