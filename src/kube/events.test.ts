import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { seededRandom } from '../base/random.ts'
import { type FakeApiServer, startApiServer } from './api-server.fixture.ts'
import type { StoredObject } from './api-server-store.fixture.ts'
import { createKubeClient } from './client.ts'
import { createEventRecorder, type EventNote, type EventRecorder, type EventRecorderOptions } from './events.ts'
import { resourceOf } from './resource.ts'
import { until } from './until.fixture.ts'

const regarding = { apiVersion: 'networking.istio.io/v1', kind: 'VirtualService', namespace: 'default', name: 'a', uid: 'u1' }
const note: EventNote = { regarding, type: 'Warning', reason: 'RouteConflicted', action: 'Compile', message: 'two claim the host' }

interface Scene {
  readonly api: FakeApiServer
  readonly clock: FakeClock
  readonly recorder: EventRecorder
  readonly events: (namespace?: string) => readonly StoredObject[]
}

async function scene(t: TestContext, options: Partial<EventRecorderOptions> = {}): Promise<Scene> {
  const api = await startApiServer(t)
  const clock = new FakeClock()
  // Its own, so that the only timer of `clock` is the wait between tries.
  const client = createKubeClient(api.connection, { clock: new FakeClock() })
  const recorder = createEventRecorder({
    client,
    clock,
    random: seededRandom(1),
    controller: 'lateen.dev/test',
    instance: 'pod-a',
    ...options,
  })
  t.after(async () => {
    await recorder.stop()
    client.close()
  })
  return { api, clock, recorder, events: (namespace = 'default') => api.store.list(resourceOf('Event'), namespace) }
}

test('an Event says what, about which object, by whom', async (t) => {
  const { recorder, events } = await scene(t)
  recorder.record(note)
  await recorder.idle()
  const [event] = events()
  assert.deepEqual(event?.regarding, regarding)
  assert.equal(event?.reason, 'RouteConflicted')
  assert.equal(event?.note, 'two claim the host')
  assert.equal(event?.eventTime, '2026-01-01T00:00:00.000000Z')
  assert.equal(event?.reportingController, 'lateen.dev/test')
  assert.equal(event?.reportingInstance, 'pod-a')
  assert.equal(event?.series, undefined)
})

test('equal Events become one with a count', async (t) => {
  const { recorder, events, clock } = await scene(t)
  recorder.record(note)
  await recorder.idle()
  clock.advance(1000)
  for (let i = 0; i < 5; i++) recorder.record(note)
  await recorder.idle()
  assert.equal(events().length, 1)
  assert.deepEqual(events()[0]?.series, { count: 6, lastObservedTime: '2026-01-01T00:00:01.000000Z' })
  assert.equal(recorder.counts.joined, 5)
})

test('an Event that the server has forgotten is written anew', async (t) => {
  const { api, recorder, events } = await scene(t)
  recorder.record(note)
  await recorder.idle()
  api.remove('Event', events()[0]?.metadata.name ?? '', 'default')
  recorder.record(note)
  await recorder.idle()
  assert.equal(events().length, 1)
})

test('one object cannot flood, and another is not made to pay', async (t) => {
  const { recorder, events, clock } = await scene(t)
  for (let i = 0; i < 50; i++) recorder.record({ ...note, message: `number ${i}` })
  recorder.record({ ...note, regarding: { ...regarding, name: 'b' } })
  await recorder.idle()
  assert.equal(events().length, 11)
  assert.equal(recorder.counts.dropped, 40)
  clock.advance(60_000)
  recorder.record({ ...note, message: 'a minute later' })
  await recorder.idle()
  assert.equal(events().length, 12)
})

test('the queue is bounded, and what is dropped is counted', async (t) => {
  const { recorder } = await scene(t, { maxQueue: 3 })
  for (let i = 0; i < 10; i++) recorder.record({ ...note, regarding: { ...regarding, name: `v${i}` } })
  await recorder.idle()
  assert.equal(recorder.counts.written, 4) // one was under way at once
  assert.equal(recorder.counts.dropped, 6)
})

test('an API server that is away for a moment gets the Event later', async (t) => {
  const { api, recorder, events, clock } = await scene(t)
  await api.stop()
  recorder.record(note)
  await until(() => clock.pendingTimers === 1, 'the wait')
  await api.start()
  clock.advance(10_000)
  await recorder.idle()
  assert.equal(events().length, 1)
})

test('a refusal is counted and thrown at nobody', async (t) => {
  const { api, recorder } = await scene(t)
  api.interrupt({ status: 403, reason: 'Forbidden' })
  recorder.record(note)
  await recorder.idle()
  assert.equal(recorder.counts.failed, 1)
})

test('an Event about an object outside namespaces is in default, and a long message is cut', async (t) => {
  const { recorder, events } = await scene(t)
  recorder.record({ ...note, regarding: { ...regarding, kind: 'Node', namespace: '' }, message: 'ä'.repeat(2000) })
  await recorder.idle()
  const text = String(events()[0]?.note)
  assert.ok(Buffer.byteLength(text) <= 1024 && text.endsWith('...'), text)
})

test('a replica that does not lead records nothing', async (t) => {
  const { api, recorder } = await scene(t, { allowed: () => false })
  recorder.record(note)
  await recorder.idle()
  assert.equal(api.requests.length, 0)
})
