import assert from 'node:assert/strict'
import { test } from 'node:test'
import { any, encodedAny, nameInTypeUrl, typeUrl, unpack } from './any.ts'

const ROUTER = 'envoy.extensions.filters.http.router.v3.Router'

test('a message comes out of its Any with the fields it went in with', () => {
  const packed = any(ROUTER, { suppressEnvoyHeaders: true })
  assert.deepEqual(packed, { '@type': `type.googleapis.com/${ROUTER}`, suppressEnvoyHeaders: true })
  assert.equal(unpack(packed, ROUTER)?.suppressEnvoyHeaders, true)
})

test('another type, an absent Any and undecoded bytes unpack to undefined', () => {
  assert.equal(unpack(any(ROUTER, {}), 'envoy.config.cluster.v3.Cluster'), undefined)
  assert.equal(unpack(undefined, ROUTER), undefined)
  assert.equal(unpack(encodedAny(typeUrl(ROUTER), new Uint8Array(2)), ROUTER), undefined)
})

test('the name in a type URL is what follows the last slash', () => {
  assert.equal(nameInTypeUrl('example.com/a/b.C'), 'b.C')
  assert.equal(nameInTypeUrl('b.C'), 'b.C')
})
