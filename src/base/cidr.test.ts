import assert from 'node:assert/strict'
import { test } from 'node:test'
import { cidrMatcher } from './cidr.ts'

test('a range of one family never holds an address of the other, except IPv4 mapped into IPv6', () => {
  const six = cidrMatcher([{ address: '::', prefixLength: 0 }])
  assert.equal(six('2001:db8::1'), true)
  assert.equal(six('127.0.0.1'), false)
  assert.equal(six('::ffff:127.0.0.1'), false)
  const four = cidrMatcher([{ address: '10.0.0.0', prefixLength: 8 }])
  assert.equal(four('10.1.2.3'), true)
  assert.equal(four('::ffff:10.1.2.3'), true)
  assert.equal(four('::1'), false)
})
