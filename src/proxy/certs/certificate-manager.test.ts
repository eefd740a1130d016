import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { mkdtemp, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { TestCa } from '../../../test/harness/certificates.ts'
import { FakeControlPlane, joinableTls, type SignCertificate } from '../../../test/harness/fake-control-plane.ts'
import { systemClock } from '../../base/clock.ts'
import { FakeClock } from '../../base/fake-clock.ts'
import { silentLogger } from '../../base/log.ts'
import { Redacted } from '../../base/redacted.ts'
import { Watchable } from '../../base/watchable.ts'
import { proxyCodec } from '../../envoy/proxy-codec.ts'
import { parseCsr } from '../../identity/csr.ts'
import { parseSpiffeId } from '../../identity/spiffe-id.ts'
import { grpcCaClient } from './ca-client.ts'
import { CertificateManager, type CertificateStatus } from './certificate-manager.ts'
import { LocalSecretStore } from './local-secret-store.ts'
import { readTokenFile } from './token-file.ts'

const HOUR_MS = 3_600_000
const ID = 'spiffe://cluster.local/ns/default/sa/reviews'
const CA_NAME = 'istiod.istio-system.svc'

interface Call {
  readonly authorization: string | undefined
  readonly peer: string | undefined
}

async function setUp(t: TestContext, options: { identity?: string; roots?: string } = {}) {
  const ca = new TestCa()
  const clock = new FakeClock(Date.now())
  const calls: Call[] = []
  const sign: SignCertificate = (request, { authorization, peerDer }) => {
    calls.push({ authorization, peer: peerDer === undefined ? undefined : new X509Certificate(peerDer).subjectAltName })
    const csr = parseCsr(request.csr ?? '')
    if (!csr.ok) throw Object.assign(new Error('csr'), { code: 3, details: csr.problems[0]?.message })
    // Valid for real clocks too: the handshakes of this test run in real time.
    const notAfterMs = clock.nowMs() + (request.validityDuration ?? 0) * 1000
    const leaf = ca.certify(csr.value.publicKeyDer, options.identity ?? ID, { notBeforeMs: clock.nowMs() - 1000, notAfterMs })
    return { certChain: [leaf, ca.rootPem] }
  }
  const server = ca.issue({ dns: CA_NAME })
  const controlPlane = new FakeControlPlane({ credentials: joinableTls(server, ca.rootPem), sign })
  await controlPlane.start()
  const folder = await mkdtemp(path.join(tmpdir(), 'lateen-certs-'))
  t.after(async () => {
    controlPlane.stop()
    // A manager may be saving what it was just given.
    await rm(folder, { recursive: true, maxRetries: 5 })
  })
  const start = (token: string | undefined, tokenFile?: string) => {
    const store = new LocalSecretStore(clock, silentLogger)
    const id = parseSpiffeId(ID)
    assert.ok(id.ok)
    const manager = new CertificateManager({
      id: id.value,
      // Calls and connections in real time; the life of certificates in the test's time.
      ca: grpcCaClient({
        host: '127.0.0.1',
        port: controlPlane.port,
        serverName: CA_NAME,
        lifetimeMs: 24 * HOUR_MS,
        codec: proxyCodec,
        clock: systemClock,
      }),
      joinToken: token === undefined ? undefined : new Redacted(token),
      readToken: tokenFile === undefined ? undefined : () => readTokenFile(tokenFile),
      roots: new Watchable<string | undefined>(options.roots ?? ca.rootPem),
      store,
      stateFolder: folder,
      clock,
      random: () => 0.5,
      log: silentLogger,
    })
    t.after(() => manager.stop())
    return {
      manager,
      store,
      pair: store.keyPair({ kind: 'secret', name: 'default' }),
      roots: store.roots({ kind: 'secret', name: 'ROOTCA' }),
    }
  }
  return { ca, clock, calls, controlPlane, folder, start }
}

function until(manager: CertificateManager, condition: (status: CertificateStatus) => boolean): Promise<void> {
  return new Promise((resolve) => {
    const stop = manager.status.watch((status) => {
      if (!condition(status)) return
      stop()
      resolve()
    })
  })
}

test('the first certificate is asked for with the join token and published with its key and the roots', async (t) => {
  const { start, calls, ca } = await setUp(t)
  const { manager, pair, roots } = start('one-time')
  await manager.start()
  assert.equal(manager.status.value.lastError, '')
  assert.deepEqual(calls, [{ authorization: 'Bearer one-time', peer: undefined }])
  const leaf = new X509Certificate(pair.value?.chainPem ?? '')
  assert.equal(leaf.subjectAltName, `URI:${ID}`)
  assert.equal(roots.value?.trim(), ca.rootPem.trim())
  assert.equal(manager.status.value.lastError, '')
})

test('at half of its life it is renewed by mutual TLS with a new key', async (t) => {
  const { start, calls, clock } = await setUp(t)
  const { manager, pair } = start('one-time')
  await manager.start()
  const first = pair.value
  clock.advance(11.9 * HOUR_MS)
  assert.equal(calls.length, 1)
  const renewed = until(manager, ({ renewals }) => renewals === 2)
  clock.advance(0.2 * HOUR_MS)
  await renewed
  assert.deepEqual(calls[1], { authorization: undefined, peer: `URI:${ID}` })
  assert.notEqual(pair.value?.keyPem, first?.keyPem)
})

test('while the CA is away the old pair stays, and the renewal follows when it is back', async (t) => {
  const { start, clock, controlPlane } = await setUp(t)
  const { manager, pair } = start('one-time')
  await manager.start()
  const first = pair.value
  controlPlane.stop()
  const failed = until(manager, ({ failures }) => failures === 1)
  clock.advance(12.1 * HOUR_MS)
  await failed
  assert.equal(pair.value, first)
  assert.match(manager.status.value.lastError, /UNAVAILABLE/)
  await controlPlane.start()
  const renewed = until(manager, ({ renewals }) => renewals === 2)
  clock.advance(1000)
  await renewed
  assert.notEqual(pair.value, first)
})

test('a restarted proxy goes on with the saved certificate and needs no token', async (t) => {
  const { start, calls, folder } = await setUp(t)
  const first = start('one-time')
  await first.manager.start()
  assert.equal((await stat(path.join(folder, 'identity.pem'))).mode & 0o777, 0o600)
  const second = start(undefined)
  await second.manager.start()
  assert.equal(calls.length, 1)
  assert.equal(second.pair.value?.chainPem.trim(), first.pair.value?.chainPem.trim())
})

test('a certificate for somebody else is refused', async (t) => {
  const { start } = await setUp(t, { identity: 'spiffe://cluster.local/ns/default/sa/other' })
  const { manager, pair } = start('one-time')
  await manager.start()
  assert.equal(pair.value, undefined)
  assert.match(manager.status.value.lastError, /is for spiffe:.*other, not for/)
})

test('a CA outside the roots never sees the token', async (t) => {
  const { start, calls } = await setUp(t, { roots: new TestCa('foreign').rootPem })
  const { manager, pair } = start('one-time')
  await manager.start()
  assert.deepEqual([calls.length, pair.value], [0, undefined])
  assert.match(manager.status.value.lastError, /certificate/)
})

test('without token and saved certificate the reason says what to do', async (t) => {
  const { start } = await setUp(t)
  const { manager } = start(undefined)
  await manager.start()
  assert.match(manager.status.value.lastError, /--join-token-file/)
})

test('a token that the kubelet keeps fresh is read again for each certificate', async (t) => {
  const { start, calls, clock, folder } = await setUp(t)
  const file = path.join(folder, 'token')
  await writeFile(file, 'first\n')
  const { manager } = start(undefined, file)
  await manager.start()
  await writeFile(file, 'second\n')
  const renewed = until(manager, ({ renewals }) => renewals === 2)
  clock.advance(12.1 * HOUR_MS)
  await renewed
  assert.deepEqual(calls, [
    { authorization: 'Bearer first', peer: undefined },
    { authorization: 'Bearer second', peer: undefined },
  ])
})

test('without a token file the certificate renews itself, and a proxy without one says which file is missing', async (t) => {
  const { start, calls, clock, folder } = await setUp(t)
  const file = path.join(folder, 'token')
  const late = start(undefined, file)
  await late.manager.start()
  assert.match(late.manager.status.value.lastError, /cannot read the token .*token: ENOENT.*projected volume/)
  await writeFile(file, 'first')
  const issued = until(late.manager, ({ renewals }) => renewals === 1)
  clock.advance(1000)
  await issued
  await rm(file)
  const renewed = until(late.manager, ({ renewals }) => renewals === 2)
  clock.advance(12.1 * HOUR_MS)
  await renewed
  assert.deepEqual(calls[1], { authorization: undefined, peer: `URI:${ID}` })
})

test('a wall clock that is set forward past the renewal is noticed within a minute', async (t) => {
  const { start, clock } = await setUp(t)
  const { manager } = start('one-time')
  await manager.start()
  clock.jump(12.1 * HOUR_MS)
  const renewed = until(manager, ({ renewals }) => renewals === 2)
  clock.advance(60_000)
  await renewed
})

test('a wall clock that is set back does not delay the renewal: the clocks of peers were not', async (t) => {
  const { start, calls, clock } = await setUp(t)
  const { manager } = start('one-time')
  await manager.start()
  clock.jump(-HOUR_MS)
  clock.advance(11.9 * HOUR_MS)
  assert.equal(calls.length, 1)
  const renewed = until(manager, ({ renewals }) => renewals === 2)
  clock.advance(0.2 * HOUR_MS)
  await renewed
})
