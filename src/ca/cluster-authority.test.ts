// The authority in Secrets: made once, followed by every replica, exchanged in phases that all of them share. Real HTTP to an API server.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { cacerts, makeAuthority } from '../../test/harness/authorities.ts'
import { systemClock } from '../base/clock.ts'
import { FakeClock } from '../base/fake-clock.ts'
import { silentLogger } from '../base/log.ts'
import { seededRandom } from '../base/random.ts'
import { Watchable } from '../base/watchable.ts'
import { type FakeApiServer, startApiServer } from '../kube/api-server.fixture.ts'
import { createKubeClient } from '../kube/client.ts'
import type { Authority } from './authority.ts'
import { type ClusterAuthorityOptions, openClusterAuthority } from './cluster-authority.ts'

const SYSTEM = 'lateen-system'
const HOUR_MS = 3_600_000

/** openssl makes authorities that are valid from now on. */
const presentClock = (): FakeClock => new FakeClock(systemClock.nowMs() + 60_000)

interface Replica {
  readonly isLeader: Watchable<boolean>
  readonly opened: Promise<Authority>
}

type Options = Partial<Pick<ClusterAuthorityOptions, 'everyoneTrusts' | 'spreadCapMs' | 'signal'>>

function startReplica(t: TestContext, server: FakeApiServer, clock: FakeClock, leads: boolean, options: Options = {}): Replica {
  const client = createKubeClient(server.connection, { clock })
  const isLeader = new Watchable(leads)
  const stopping = new AbortController()
  const opened = openClusterAuthority({
    ...{ client, namespace: SYSTEM, trustDomain: 'cluster.local', isLeader, clock, random: seededRandom(1), log: silentLogger },
    ...{ maxValidityMs: 24 * HOUR_MS, spreadMs: 60_000, signal: stopping.signal, ...options },
  })
  t.after(async () => {
    stopping.abort()
    await opened.then(
      (authority) => authority.stop(),
      () => undefined,
    )
    client.close()
  })
  return { isLeader, opened }
}

/** Lets real I/O happen until it holds. */
async function until(condition: () => boolean): Promise<void> {
  for (let turns = 0; !condition(); turns++) {
    assert.ok(turns < 20_000, 'this never came to hold')
    await new Promise((resolve) => setImmediate(resolve))
  }
}

function secret(server: FakeApiServer, name: string): Readonly<Record<string, string>> | undefined {
  const data = server.get('Secret', name, SYSTEM)?.data
  if (typeof data !== 'object' || data === null) return undefined
  return Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(String(value), 'base64').toString()]))
}

function plugIn(server: FakeApiServer, set: Readonly<Record<string, string>>): void {
  const data = Object.fromEntries(Object.entries(set).map(([name, text]) => [name, Buffer.from(text).toString('base64')]))
  server.put('Secret', { metadata: { name: 'cacerts', namespace: SYSTEM }, data })
}

test('three replicas that start at once have one root, made by the leader', async (t) => {
  const server = await startApiServer(t)
  const clock = presentClock()
  const replicas = [false, true, false].map((leads) => startReplica(t, server, clock, leads))
  const authorities = await Promise.all(replicas.map(({ opened }) => opened))
  assert.equal(new Set(authorities.map(({ issuing }) => issuing.value.hash)).size, 1)
  assert.equal(new Set(authorities.map(({ bundle }) => bundle.value.hash)).size, 1)
  assert.equal(authorities[0]?.issuing.value.source, 'self-signed')
  assert.equal(server.requests.filter(({ method }) => method === 'POST').length, 1)
  assert.deepEqual(Object.keys(secret(server, 'lateen-ca-secret') ?? {}).sort(), [
    'ca-cert.pem',
    'ca-key.pem',
    'record.json',
    'root-cert.pem',
  ])
})

test('two that both believe to lead still make one root', async (t) => {
  const server = await startApiServer(t)
  const clock = presentClock()
  const [one, two] = await Promise.all([startReplica(t, server, clock, true).opened, startReplica(t, server, clock, true).opened])
  assert.equal(one.issuing.value.hash, two.issuing.value.hash)
})

test('a follower waits for the leader; one that becomes leader makes the root', async (t) => {
  const server = await startApiServer(t)
  const replica = startReplica(t, server, presentClock(), false)
  await server.watching('Secret', 2)
  assert.equal(secret(server, 'lateen-ca-secret'), undefined)
  replica.isLeader.set(true)
  assert.equal((await replica.opened).issuing.value.source, 'self-signed')
})

test('a restart has the root of before', async (t) => {
  const server = await startApiServer(t)
  const before = await startReplica(t, server, presentClock(), true).opened
  const after = await startReplica(t, server, presentClock(), true).opened
  assert.equal(after.issuing.value.hash, before.issuing.value.hash)
})

test('a Secret whose key cannot be read is not replaced by a new root', async (t) => {
  const server = await startApiServer(t)
  const data = { 'ca-cert.pem': Buffer.from('noise').toString('base64'), 'ca-key.pem': Buffer.from('noise').toString('base64') }
  server.put('Secret', { metadata: { name: 'lateen-ca-secret', namespace: SYSTEM }, data })
  const stop = new AbortController()
  const clock = presentClock()
  const { opened } = startReplica(t, server, clock, true, { signal: stop.signal })
  await server.watching('Secret', 2)
  clock.advance(10_000)
  stop.abort()
  await assert.rejects(opened, /can be used: root-cert\.pem/)
  assert.ok(server.requests.every(({ method }) => method === 'GET'))
})

test('a Secret that somebody deletes is put back as it was', async (t) => {
  const server = await startApiServer(t)
  const clock = presentClock()
  await startReplica(t, server, clock, true).opened
  const before = secret(server, 'lateen-ca-secret')
  await until(() => server.openWatches('Secret') === 2)
  server.remove('Secret', 'lateen-ca-secret', SYSTEM)
  await until(() => secret(server, 'lateen-ca-secret') !== undefined)
  assert.deepEqual(secret(server, 'lateen-ca-secret'), before)
})

test('a plugged-in CA wins; every replica trusts its root first and issues from it when it is spread', async (t) => {
  const server = await startApiServer(t)
  const clock = presentClock()
  const all = await Promise.all([true, false].map((leads) => startReplica(t, server, clock, leads).opened))
  const own = all[0]?.issuing.value.hash
  const root = makeAuthority(t, 'root')
  plugIn(server, cacerts(makeAuthority(t, 'mesh', root), [], [root]))
  await until(() => all.every(({ bundle }) => bundle.value.roots.length === 2))
  assert.ok(all.every(({ issuing, pending }) => issuing.value.hash === own && pending !== undefined))
  clock.advance(59_000)
  await until(() => server.openWatches('Secret') === 4)
  assert.ok(all.every(({ issuing }) => issuing.value.hash === own))
  clock.advance(3_000)
  await until(() => all.every(({ issuing }) => issuing.value.source === 'plugged-in'))
  assert.ok(all.every(({ bundle, retiring }) => bundle.value.roots.length === 2 && retiring.length === 1))
  // The last certificate of the old root has ended: 24 hours and a margin.
  clock.advance(25 * HOUR_MS)
  await until(() => {
    clock.advance(1_000)
    return all.every(({ bundle }) => bundle.value.roots.length === 1)
  })
})

test('certificates are not issued from a new root while somebody does not trust it, until the cap', async (t) => {
  const server = await startApiServer(t)
  const clock = presentClock()
  const asked: string[] = []
  let trusted = false
  const everyoneTrusts = (hash: string): boolean => {
    asked.push(hash)
    return trusted
  }
  const authority = await startReplica(t, server, clock, true, { everyoneTrusts }).opened
  const [first, second] = [makeAuthority(t, 'first'), makeAuthority(t, 'second')]
  plugIn(server, cacerts(first, [], [first]))
  await until(() => authority.pending !== undefined)
  assert.deepEqual(asked, [], 'the time is the floor')
  clock.advance(120_000)
  assert.ok(asked.length > 0 && asked.every((hash) => hash === authority.bundle.value.hash))
  assert.equal(authority.issuing.value.source, 'self-signed')
  trusted = true
  clock.advance(2_000)
  await until(() => authority.issuing.value.source === 'plugged-in')
  trusted = false
  const before = authority.issuing.value.hash
  plugIn(server, cacerts(second, [], [second]))
  await until(() => authority.pending !== undefined)
  clock.advance(HOUR_MS - 4_000)
  assert.equal(authority.issuing.value.hash, before)
  await until(() => {
    clock.advance(1_000)
    return authority.issuing.value.hash !== before
  })
})

test('the old set back before the new one issues undoes everything', async (t) => {
  const server = await startApiServer(t)
  const clock = presentClock()
  const [first, second] = [makeAuthority(t, 'first'), makeAuthority(t, 'second')]
  plugIn(server, cacerts(first, [], [first]))
  const authority = await startReplica(t, server, clock, true).opened
  plugIn(server, cacerts(second, [], [second]))
  await until(() => authority.bundle.value.roots.length === 2)
  plugIn(server, cacerts(first, [], [first]))
  await until(() => authority.bundle.value.roots.length === 1)
  assert.deepEqual([authority.pending, authority.retiring.length], [undefined, 0])
})

test('a set that does not hold, or is gone, leaves the last good one in force and is named', async (t) => {
  const server = await startApiServer(t)
  const root = makeAuthority(t, 'root')
  const set = cacerts(root, [], [root])
  plugIn(server, set)
  const authority = await startReplica(t, server, presentClock(), true).opened
  const before = authority.issuing.value.hash
  plugIn(server, { ...set, 'ca-key.pem': makeAuthority(t, 'other').keyPem })
  await until(() => authority.refused.length > 0)
  assert.match(authority.refused[0]?.message ?? '', /does not belong to the key/)
  server.remove('Secret', 'cacerts', SYSTEM)
  await until(() => /is gone/.test(authority.refused[0]?.message ?? ''))
  assert.equal(authority.issuing.value.hash, before)
  plugIn(server, set)
  await until(() => authority.refused.length === 0)
})

test('a mesh that restarts after its CA was exchanged waits until the new root is spread', async (t) => {
  const server = await startApiServer(t)
  const clock = presentClock()
  const [first, second] = [makeAuthority(t, 'first'), makeAuthority(t, 'second')]
  plugIn(server, cacerts(first, [], [first]))
  const before = await startReplica(t, server, clock, true).opened
  before.stop()
  plugIn(server, cacerts(second, [], [second]))
  let isOpen = false
  const { opened } = startReplica(t, server, clock, true)
  void opened.then(() => {
    isOpen = true
  })
  await until(() => /"pending"/.test(secret(server, 'lateen-ca-secret')?.['record.json'] ?? ''))
  assert.equal(isOpen, false)
  await until(() => {
    clock.advance(1_000)
    return isOpen
  })
  assert.match((await opened).issuing.value.root.certificate.subject, /second/)
  assert.equal((await opened).retiring.length, 1)
})

test('an API server that is away changes nothing; what was decided is written when it is back', async (t) => {
  const server = await startApiServer(t)
  const clock = presentClock()
  const authority = await startReplica(t, server, clock, true).opened
  await server.stop()
  clock.advance(HOUR_MS)
  assert.equal(authority.issuing.value.source, 'self-signed')
  await server.start()
  const root = makeAuthority(t, 'root')
  plugIn(server, cacerts(root, [], [root]))
  await until(() => {
    clock.advance(1_000)
    return authority.issuing.value.source === 'plugged-in'
  })
})
