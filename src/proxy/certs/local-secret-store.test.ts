import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { TestCa } from '../../../test/harness/certificates.ts'
import { FakeClock } from '../../base/fake-clock.ts'
import { silentLogger } from '../../base/log.ts'
import { LocalSecretStore } from './local-secret-store.ts'

function setUp(t: TestContext) {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-secrets-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const clock = new FakeClock()
  const store = new LocalSecretStore(clock, silentLogger)
  const source = { kind: 'files', chainPath: path.join(folder, 'chain.pem'), keyPath: path.join(folder, 'key.pem') } as const
  const ca = new TestCa()
  return { clock, store, source, one: ca.issue('spiffe://a/b'), two: ca.issue('spiffe://a/c') }
}

test('files are loaded at once and again when they change', (t) => {
  const { clock, store, source, one, two } = setUp(t)
  writeFileSync(source.chainPath, one.chainPem)
  writeFileSync(source.keyPath, one.keyPem)
  const pair = store.keyPair(source)
  assert.deepEqual(pair.value, one)
  writeFileSync(source.chainPath, two.chainPem)
  writeFileSync(source.keyPath, two.keyPem)
  clock.advance(5000)
  assert.deepEqual(pair.value, two)
  assert.equal(store.keyPair(source), pair)
})

test('between the writes of certificate and key the old pair stays', (t) => {
  const { clock, store, source, one, two } = setUp(t)
  writeFileSync(source.chainPath, one.chainPem)
  writeFileSync(source.keyPath, one.keyPem)
  const pair = store.keyPair(source)
  writeFileSync(source.chainPath, two.chainPem)
  clock.advance(5000)
  assert.deepEqual(pair.value, one)
})

test('a file that comes late is waited for', (t) => {
  const { clock, store, source, one } = setUp(t)
  const pair = store.keyPair(source)
  assert.equal(pair.value, undefined)
  writeFileSync(source.chainPath, one.chainPem)
  writeFileSync(source.keyPath, one.keyPem)
  clock.advance(5000)
  assert.deepEqual(pair.value, one)
})

test('a named secret is undefined until it is set, and watchers hear of it', (t) => {
  const { store, one } = setUp(t)
  const heard: unknown[] = []
  store.keyPair({ kind: 'secret', name: 'default' }).watch((pair) => heard.push(pair))
  store.setKeyPair('default', one)
  store.setKeyPair('default', { ...one })
  assert.deepEqual(heard, [one])
})
