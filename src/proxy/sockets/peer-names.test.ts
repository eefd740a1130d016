// Names of a peer's certificate: read once per certificate, never another one's.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { TestCa } from '../../../test/harness/certificates.ts'
import { peerNames } from './peer-names.ts'

test('connections with one certificate share its names', () => {
  const { chainPem } = new TestCa().issue('spiffe://mesh/one')
  const first = peerNames(new X509Certificate(chainPem))
  assert.deepEqual(first.uris, ['spiffe://mesh/one'])
  assert.equal(peerNames(new X509Certificate(chainPem)), first)
})

test('a renewed certificate of the same names has an end and a hash of its own', () => {
  const ca = new TestCa()
  const nowMs = Date.now()
  const [first, second] = [1, 2].map((hours) =>
    peerNames(new X509Certificate(ca.issue('spiffe://mesh/one', { notAfterMs: nowMs + hours * 3_600_000 }).chainPem)),
  )
  assert.ok(first !== undefined && second !== undefined && second.notAfterMs > first.notAfterMs)
  assert.deepEqual(second.uris, first.uris)
  assert.notEqual(second.hash, first.hash)
})

test('more certificates than are kept are read right all the same', () => {
  const certificate = (number: number) => ({
    subjectAltName: `URI:spiffe://mesh/${number}`,
    subject: '',
    fingerprint256: `AA:${number}`,
    validTo: 'Jan  1 00:00:00 2030 GMT',
  })
  for (const round of [0, 1]) {
    for (let number = 0; number < 1500; number++) {
      assert.deepEqual(peerNames(certificate(number)).uris, [`spiffe://mesh/${number}`], `round ${round}`)
    }
  }
})
