// SPIFFE ids: what the standard allows, what it refuses, and that writing and reading agree.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { isTrustDomain, parseSpiffeId, trustDomainOf, workloadIdentityOf, workloadSpiffeId } from './spiffe-id.ts'

const name = fc.stringMatching(/^[a-z0-9]([-a-z0-9]{0,20}[a-z0-9])?$/)
const trustDomain = fc.stringMatching(/^[a-z0-9._-]{1,30}$/)

test('an identity survives being written and read', () => {
  fc.assert(
    fc.property(trustDomain, name, name, (domain, namespace, serviceAccount) => {
      const identity = { trustDomain: domain, namespace, serviceAccount }
      const id = workloadSpiffeId(identity)
      assert.ok(id.ok)
      assert.deepEqual(workloadIdentityOf(id.value), identity)
      assert.equal(trustDomainOf(id.value), domain)
    }),
    { seed: 1 },
  )
})

test('whatever is accepted is made of the characters that the standard allows, in normal form', () => {
  const soup = fc.string({ unit: fc.constantFrom(...'spiffe:/.%AZaz09-_@?#é \0') })
  fc.assert(
    fc.property(soup, (tail) => {
      const text = `spiffe://${tail}`
      const parsed = parseSpiffeId(text)
      if (!parsed.ok) return
      assert.match(text, /^spiffe:\/\/[a-z0-9._-]+(\/[A-Za-z0-9._-]+)*$/)
      assert.ok(
        !text
          .split('/')
          .slice(3)
          .some((segment) => segment === '.' || segment === '..'),
      )
    }),
    { seed: 2, numRuns: 2000 },
  )
})

const refused: readonly (readonly [string, string])[] = [
  ['', 'empty'],
  ['https://a/b', 'another scheme'],
  ['SPIFFE://a/b', 'a scheme in capitals'],
  ['spiffe://', 'no trust domain'],
  ['spiffe:///ns/a', 'an empty trust domain'],
  ['spiffe://Cluster.Local/ns/a', 'capitals in the trust domain'],
  ['spiffe://a:80/ns/b', 'a port'],
  ['spiffe://user@a/b', 'user information'],
  ['spiffe://a/', 'a trailing slash'],
  ['spiffe://a//b', 'an empty segment'],
  ['spiffe://a/../b', 'a relative segment'],
  ['spiffe://a/%62', 'an escape'],
  ['spiffe://a/b?c', 'a query'],
  ['spiffe://a/b#c', 'a fragment'],
  [`spiffe://${'a'.repeat(256)}/b`, 'a trust domain of 256 bytes'],
  [`spiffe://a/${'b'.repeat(2048)}`, 'more than 2,048 bytes'],
]

for (const [text, why] of refused) {
  test(`refused: ${why}`, () => assert.equal(parseSpiffeId(text).ok, false))
}

test('an id that is not in the form of Istio has no workload identity', () => {
  for (const text of ['spiffe://a', 'spiffe://a/ns/b', 'spiffe://a/ns/b/sa/c/d', 'spiffe://a/sa/b/ns/c']) {
    const parsed = parseSpiffeId(text)
    assert.ok(parsed.ok)
    assert.equal(workloadIdentityOf(parsed.value), undefined)
  }
})

test('a slash in a name cannot forge another identity', () => {
  assert.equal(workloadSpiffeId({ trustDomain: 'a', namespace: 'b/sa/c', serviceAccount: 'd' }).ok, false)
  assert.equal(workloadSpiffeId({ trustDomain: 'a', namespace: 'b', serviceAccount: 'c/d' }).ok, false)
  assert.equal(isTrustDomain('a/b'), false)
})
