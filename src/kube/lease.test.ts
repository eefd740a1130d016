import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { isRecord } from '../api/record.ts'
import { FakeClock } from '../base/fake-clock.ts'
import { seededRandom } from '../base/random.ts'
import { type FakeApiServer, type ReceivedRequest, startApiServer } from './api-server.fixture.ts'
import { createKubeClient, type KubeClient } from './client.ts'
import { type Election, startElection } from './lease.ts'
import { until } from './until.fixture.ts'

interface Replica {
  readonly election: Election
  readonly clock: FakeClock
  readonly asked: Asked
}

interface Asked {
  underWay: number
}

/** Every replica has a clock of its own, as machines do. */
function replica(t: TestContext, api: FakeApiServer, identity: string): Replica {
  const clock = new FakeClock()
  const asked: Asked = { underWay: 0 }
  const client = counted(createKubeClient(api.connection, { clock }), asked)
  const election = startElection({
    client,
    clock,
    random: seededRandom(identity.length),
    namespace: 'lateen-system',
    name: 'leader',
    identity,
  })
  t.after(async () => {
    api.freeHung()
    await election.stop()
    client.close()
  })
  return { election, clock, asked }
}

function counted(client: KubeClient, asked: Asked): KubeClient {
  const count = async <T>(ask: () => Promise<T>): Promise<T> => {
    asked.underWay++
    try {
      return await ask()
    } finally {
      asked.underWay--
    }
  }
  return {
    ...client,
    get: (...given) => count(() => client.get(...given)),
    create: (...given) => count(() => client.create(...given)),
    replace: (...given) => count(() => client.replace(...given)),
  }
}

const specOf = (api: FakeApiServer): Readonly<Record<string, unknown>> => {
  const spec = api.get('Lease', 'leader', 'lateen-system')?.spec
  return isRecord(spec) ? spec : {}
}
const isWrite = ({ method }: ReceivedRequest): boolean => method === 'PUT' || method === 'POST'
/** Between two rounds a replica has nothing but its wait (and, as the leader, its deadline). */
const resting = ({ clock, election, asked }: Replica): boolean =>
  asked.underWay === 0 && clock.pendingTimers === (election.term.value === undefined ? 1 : 2)

test('the first replica becomes the leader, and says who it is', async (t) => {
  const api = await startApiServer(t)
  const a = replica(t, api, 'pod-a')
  await until(() => a.election.isLeader(), 'the leader')
  const { renewTime, acquireTime, ...rest } = specOf(api)
  assert.deepEqual(rest, { holderIdentity: 'pod-a', leaseDurationSeconds: 15, leaseTransitions: 1 })
  assert.equal(renewTime, '2026-01-01T00:00:00.000000Z')
  assert.equal(acquireTime, renewTime)
  assert.equal(a.election.term.value?.number, 1)
})

test('the leader renews, with jitter, and stays', async (t) => {
  const api = await startApiServer(t)
  const a = replica(t, api, 'pod-a')
  for (let writes = 1; writes <= 6; writes++) {
    await until(() => api.requests.filter(isWrite).length === writes && resting(a), `${writes} writes`)
    a.clock.advance(2000)
  }
  assert.equal(specOf(api).leaseTransitions, 1)
  assert.equal(a.election.isLeader(), true)
})

test('a second replica waits until the lease has run out by its own clock, and is the next leader', async (t) => {
  const api = await startApiServer(t)
  const a = replica(t, api, 'pod-a')
  await until(() => resting(a) && a.election.isLeader(), 'the leader')
  const b = replica(t, api, 'pod-b')
  await until(() => b.election.holder.value === 'pod-a' && resting(b), 'the second has looked')
  // The first is frozen: its clock stands still.
  const seenAt = b.clock.monotonicMs()
  while (!b.election.isLeader()) {
    b.clock.advance(500)
    await until(() => resting(b), 'a round')
  }
  assert.ok(b.clock.monotonicMs() - seenAt >= 15_000, `${b.clock.monotonicMs() - seenAt}`)
  assert.equal(specOf(api).holderIdentity, 'pod-b')
  assert.equal(b.election.term.value?.number, 2)
})

test('a leader that cannot renew steps down before anybody else may take over', async (t) => {
  const api = await startApiServer(t)
  const a = replica(t, api, 'pod-a')
  await until(() => resting(a) && a.election.isLeader(), 'the leader')
  const term = a.election.term.value
  await api.stop()
  a.clock.advance(9_999)
  assert.equal(a.election.isLeader(), true)
  a.clock.advance(1)
  assert.equal(a.election.isLeader(), false)
  assert.equal(term?.signal.aborted, true)
  assert.equal(a.election.term.value, undefined)
})

test('a renewal whose answer comes after the deadline counts for nothing', async (t) => {
  const api = await startApiServer(t)
  const a = replica(t, api, 'pod-a')
  await until(() => resting(a) && a.election.isLeader(), 'the leader')
  api.interrupt({ hang: true }, isWrite)
  a.clock.advance(3000)
  await api.requested(isWrite, 2)
  a.clock.advance(5000) // the request is given up
  await until(() => a.election.lastFailure?.reason === 'Timeout', 'the time-out')
  a.clock.advance(2000)
  assert.equal(a.election.isLeader(), false)
})

test('a leader that stops gives the lease back, and the next need not wait', async (t) => {
  const api = await startApiServer(t)
  const a = replica(t, api, 'pod-a')
  await until(() => resting(a) && a.election.isLeader(), 'the leader')
  const b = replica(t, api, 'pod-b')
  await until(() => b.election.holder.value === 'pod-a' && resting(b), 'the second has looked')
  await a.election.stop()
  assert.equal(specOf(api).holderIdentity, '')
  b.clock.advance(3000)
  await until(() => b.election.isLeader(), 'the next leader')
  assert.equal(specOf(api).leaseTransitions, 2)
})

test('a leader whose lease somebody else took steps down as soon as it sees that', async (t) => {
  const api = await startApiServer(t)
  const a = replica(t, api, 'pod-a')
  await until(() => resting(a) && a.election.isLeader(), 'the leader')
  api.put('Lease', {
    metadata: { name: 'leader', namespace: 'lateen-system' },
    spec: { holderIdentity: 'x', leaseDurationSeconds: 15, leaseTransitions: 9 },
  })
  a.clock.advance(3000)
  await until(() => resting(a) && a.election.lastFailure?.reason === 'Conflict', 'the conflict')
  a.clock.advance(3000)
  await until(() => !a.election.isLeader(), 'the step down')
  assert.equal(a.election.holder.value, 'x')
})

test('a label on the lease does not cost the leader its term', async (t) => {
  const api = await startApiServer(t)
  const a = replica(t, api, 'pod-a')
  await until(() => resting(a) && a.election.isLeader(), 'the leader')
  const lease = api.get('Lease', 'leader', 'lateen-system')
  api.put('Lease', { ...lease, metadata: { ...lease?.metadata, labels: { by: 'hand' } } })
  a.clock.advance(3000)
  await until(() => resting(a) && a.election.lastFailure?.reason === 'Conflict', 'the conflict')
  a.clock.advance(3000)
  await until(() => resting(a) && api.requests.filter(isWrite).length === 3, 'the next renewal')
  assert.equal(a.election.term.value?.number, 1)
  assert.equal(a.election.isLeader(), true)
})

test('of two that try at once one wins', async (t) => {
  const api = await startApiServer(t)
  const all = ['pod-a', 'pod-bb'].map((identity) => replica(t, api, identity))
  await until(() => all.every(resting) && api.get('Lease', 'leader', 'lateen-system') !== undefined, 'both rounds')
  assert.equal(all.filter(({ election }) => election.isLeader()).length, 1)
})
