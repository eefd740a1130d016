import assert from 'node:assert/strict'
import { test } from 'node:test'
import type { HttpConnectionManager } from '../config/proxy-config.ts'
import { MessageHead } from '../http1/head.ts'
import { parseRequestHead } from '../http1/parse-head.ts'
import { clientAddress } from './http-authorization-facts.ts'
import { requestScheme } from './incoming-request.ts'

// Both functions ask the manager for these only.
const manager = (useRemoteAddress: boolean, xffNumTrustedHops: number, skipXffAppend = false): HttpConnectionManager =>
  ({ useRemoteAddress, xffNumTrustedHops, skipXffAppend }) as HttpConnectionManager

function scheme(said: string, of: HttpConnectionManager): string {
  const head = new MessageHead()
  assert.equal(parseRequestHead(head, `GET / HTTP/1.1\r\nHost: h\r\nx-forwarded-proto: ${said}\r\n`, 10), undefined)
  return requestScheme(head, false, of)
}

test('x-forwarded-proto says the scheme where the hop before is trusted', () => {
  assert.equal(scheme('https', manager(false, 0)), 'https')
  assert.equal(scheme('https', manager(true, 1)), 'https')
  assert.equal(scheme('https', manager(true, 0)), 'http')
  assert.equal(scheme('gopher', manager(false, 0)), 'http')
})

test('the client is behind the trusted hops, whether or not this one writes itself down', () => {
  assert.equal(clientAddress('1.1.1.1,2.2.2.2,9.9.9.9', '9.9.9.9', manager(true, 1)), '2.2.2.2')
  assert.equal(clientAddress('1.1.1.1,2.2.2.2', '9.9.9.9', manager(true, 1, true)), '2.2.2.2')
  assert.equal(clientAddress('9.9.9.9', '9.9.9.9', manager(true, 1)), '9.9.9.9')
  assert.equal(clientAddress('1.1.1.1', '9.9.9.9', manager(true, 0)), '9.9.9.9')
})
