import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
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

test('roots in a mounted ConfigMap are read again when the kubelet swaps its symbolic link', (t) => {
  const { clock, store } = setUp(t)
  const mount = mkdtempSync(path.join(tmpdir(), 'lateen-mount-'))
  t.after(() => rmSync(mount, { recursive: true }))
  // As the kubelet's AtomicWriter: file -> ..data/file, ..data -> a folder per revision, swapped by a rename.
  const publish = (revision: string, pem: string): void => {
    mkdirSync(path.join(mount, revision))
    writeFileSync(path.join(mount, revision, 'root-cert.pem'), pem)
    symlinkSync(revision, path.join(mount, '..data_tmp'))
    renameSync(path.join(mount, '..data_tmp'), path.join(mount, '..data'))
  }
  const [before, after] = [new TestCa('before').rootPem, new TestCa('after').rootPem]
  publish('..2026_01', before)
  symlinkSync('..data/root-cert.pem', path.join(mount, 'root-cert.pem'))
  const roots = store.roots({ kind: 'file', path: path.join(mount, 'root-cert.pem') })
  assert.equal(roots.value, before)
  publish('..2026_02', after)
  rmSync(path.join(mount, '..2026_01'), { recursive: true })
  clock.advance(5000)
  assert.equal(roots.value, after)
})
