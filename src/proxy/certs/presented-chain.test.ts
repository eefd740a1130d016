// What is shown to peers of a chain: a lone leaf with the root that issued it, whatever else as it was given.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { test } from 'node:test'
import { makeAuthority } from '../../../test/harness/authorities.ts'
import { TestCa } from '../../../test/harness/certificates.ts'
import { presentedChain } from './presented-chain.ts'

const hashes = (pem: string): string[] =>
  pem
    .split(/(?<=-----END CERTIFICATE-----\n)/)
    .filter((block) => block.includes('BEGIN'))
    .map((block) => new X509Certificate(block).fingerprint256)

test('a lone leaf is shown with the root that signed it, of two with one name', () => {
  const [ca, renewed] = [new TestCa('mesh'), new TestCa('mesh')]
  const { chainPem } = ca.issue('spiffe://mesh/one')
  for (const roots of [renewed.rootPem + ca.rootPem, ca.rootPem + renewed.rootPem]) {
    assert.deepEqual(hashes(presentedChain(chainPem, roots)), hashes(chainPem + ca.rootPem))
  }
})

test('a leaf that none of the roots has signed is shown alone', () => {
  const { chainPem } = new TestCa('mesh').issue('spiffe://mesh/one')
  assert.equal(presentedChain(chainPem, new TestCa('mesh').rootPem), chainPem)
  assert.equal(presentedChain(chainPem, undefined), chainPem)
})

test('a chain with its issuers is shown as it is: the root below them is not sent along', (t) => {
  const root = makeAuthority(t, 'root')
  const issuer = makeAuthority(t, 'issuer', root)
  const leaf = makeAuthority(t, 'leaf', issuer, { extensions: ['basicConstraints=critical,CA:FALSE'] })
  const chain = leaf.certificatePem + issuer.certificatePem
  assert.equal(presentedChain(chain, root.certificatePem), chain)
})
