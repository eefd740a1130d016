// The root: made once, kept, refused when damaged or exposed; and what it issues.
import assert from 'node:assert/strict'
import { generateKeyPairSync } from 'node:crypto'
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { readCertificate } from '../identity/certificate.ts'
import { createIssuer } from './issuer.ts'
import { openRoot } from './roots.ts'

const HOUR_MS = 3_600_000
const YEAR_MS = 365 * 24 * HOUR_MS

function folder(t: TestContext): string {
  const path = mkdtempSync(join(tmpdir(), 'lateen-root-'))
  t.after(() => rmSync(path, { recursive: true }))
  return path
}

function keyPair(): { readonly publicKey: Buffer } {
  return { publicKey: generateKeyPairSync('ec', { namedCurve: 'prime256v1' }).publicKey.export({ type: 'spki', format: 'der' }) }
}

const open = (stateFolder: string, clock = new FakeClock()) => openRoot({ stateFolder, trustDomain: 'cluster.local', clock })

test('the root is the same after a restart, its key readable by its owner only', (t) => {
  const state = folder(t)
  const first = open(state)
  assert.equal(open(state).bundle.pem, first.bundle.pem)
  assert.equal(statSync(join(state, 'ca/ca-key.pem')).mode & 0o777, 0o600)
})

test('a crash between key and certificate costs nothing: the next start goes on with the key', (t) => {
  const state = folder(t)
  const first = open(state)
  rmSync(join(state, 'ca/root-cert.pem'))
  const second = open(state)
  assert.deepEqual(second.signer.keyId, first.signer.keyId)
})

test('a lost key, a foreign key and an exposed key stop the start with a sentence', (t) => {
  const state = folder(t)
  open(state)
  chmodSync(join(state, 'ca/ca-key.pem'), 0o604)
  assert.throws(() => open(state), /mode 0604.*chmod 600/)
  rmSync(join(state, 'ca/ca-key.pem'))
  assert.throws(() => open(state), /its key .* is not/)
})

test('a leaf lives 24 hours, less when asked, never more, and never longer than its root', (t) => {
  const clock = new FakeClock()
  const root = open(folder(t), clock)
  const issuer = createIssuer({ ca: () => root, clock })
  const names = [{ uri: 'spiffe://cluster.local/ns/a/sa/b' }]
  const { publicKey } = keyPair()
  const hours = (validityMs?: number): number => (issuer.issue(publicKey, names, validityMs).notAfterMs - clock.nowMs()) / HOUR_MS
  assert.deepEqual([hours(), hours(HOUR_MS), hours(90 * 24 * HOUR_MS), hours(-5)], [24, 1, 24, 24])
  clock.advance(10 * YEAR_MS - HOUR_MS)
  assert.ok(hours() <= 1)
})

test('half of a short life lies ahead: a leaf begins in the past by a tenth of its life at most', (t) => {
  const clock = new FakeClock()
  const root = open(folder(t), clock)
  const issuer = createIssuer({ ca: () => root, clock, maxValidityMs: 10_000 })
  const names = [{ uri: 'spiffe://cluster.local/ns/a/sa/b' }]
  const facts = readCertificate(issuer.issue(keyPair().publicKey, names).chain[0] ?? '')
  assert.ok(facts.ok)
  assert.ok(facts.value.notBeforeMs >= clock.nowMs() - 2000, new Date(facts.value.notBeforeMs).toISOString())
})

test('no two certificates share a serial', (t) => {
  const clock = new FakeClock()
  const root = open(folder(t), clock)
  const issuer = createIssuer({ ca: () => root, clock })
  const serials = Array.from({ length: 200 }, () => issuer.issue(keyPair().publicKey, [{ uri: 'spiffe://a/b' }]))
  const read = serials.map(({ chain }) => readCertificate(chain[0] ?? ''))
  assert.equal(new Set(read.map((facts) => (facts.ok ? facts.value.serial : 'unreadable'))).size, 200)
})
