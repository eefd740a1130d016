// Names of a peer's certificate: read once per certificate, never another one's.
import assert from 'node:assert/strict'
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { TestCa } from '../../../test/harness/certificates.ts'
import { type PeerNames, peerNames } from './peer-names.ts'

const namesIn = (pem: string): PeerNames => peerNames(new X509Certificate(pem))

test('connections with one certificate share its names', () => {
  const { chainPem } = new TestCa().issue('spiffe://mesh/one')
  const first = namesIn(chainPem)
  assert.deepEqual(first.uris, ['spiffe://mesh/one'])
  assert.equal(namesIn(chainPem), first)
})

test('a renewed certificate of the same names has an end and a hash of its own', () => {
  const ca = new TestCa()
  const nowMs = Date.now()
  const [first, second] = [1, 2].map((hours) => namesIn(ca.issue('spiffe://mesh/one', { notAfterMs: nowMs + hours * 3_600_000 }).chainPem))
  assert.ok(first !== undefined && second !== undefined && second.notAfterMs > first.notAfterMs)
  assert.deepEqual(second.uris, first.uris)
  assert.notEqual(second.hash, first.hash)
})

test('more certificates than are kept are read right all the same', () => {
  const ca = new TestCa()
  const publicKey = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ type: 'spki', format: 'der' })
  const pems = Array.from({ length: 1500 }, (_, number) => ca.certify(publicKey, `spiffe://mesh/${number}`))
  for (const round of [0, 1]) {
    for (const [number, pem] of pems.entries()) assert.deepEqual(namesIn(pem).uris, [`spiffe://mesh/${number}`], `round ${round}`)
  }
})
