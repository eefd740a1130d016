// Whatever arrives, the decoders answer: no exception, no endless loop, no stack overflow.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { any, typeUrl } from '../any.ts'
import { fullCodec } from '../full-codec.ts'
import { proxyCodec } from '../proxy-codec.ts'

const LISTENER = 'envoy.config.listener.v3.Listener'
const VALID = fullCodec.encode(LISTENER, {
  name: 'l',
  address: { socketAddress: { address: '127.0.0.1', portValue: 80 } },
  metadata: { filterMetadata: { istio: { a: [1, { b: 'c' }], d: null } } },
  filterChains: [
    {
      filterChainMatch: { destinationPort: 80, serverNames: ['a', 'b'], prefixRanges: [{ addressPrefix: '::', prefixLen: 0 }] },
      filters: [
        {
          name: 'h',
          typedConfig: any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
            statPrefix: 's',
            streamIdleTimeout: 5000,
            routeConfig: { virtualHosts: [{ name: 'v', domains: ['*'], routes: [{ match: { prefix: '/' }, route: { cluster: 'c' } }] }] },
            httpFilters: [{ name: 'r', typedConfig: any('envoy.extensions.filters.http.router.v3.Router', {}) }],
          }),
        },
      ],
    },
  ],
})

function answers(bytes: Uint8Array): void {
  for (const codec of [fullCodec, proxyCodec]) assert.equal(typeof codec.decode(LISTENER, bytes).ok, 'boolean')
}

test('every prefix of a valid message is answered', () => {
  for (let length = 0; length < VALID.length; length++) answers(VALID.subarray(0, length))
  assert.equal(fullCodec.decode(LISTENER, VALID.subarray(0, VALID.length - 1)).ok, false)
})

test('every single changed byte is answered', () => {
  for (let index = 0; index < VALID.length; index++) {
    for (const byte of [0, 0x7f, 0x80, 0xff, (VALID[index] ?? 0) ^ 1, (VALID[index] ?? 0) ^ 8]) {
      const copy = Buffer.from(VALID)
      copy[index] = byte
      answers(copy)
    }
  }
})

test('random bytes are answered', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), (bytes) => answers(bytes)),
    { seed: 7, numRuns: 3000 },
  )
})

test('random JSON is answered', () => {
  fc.assert(
    fc.property(fc.jsonValue(), (json) => {
      assert.equal(typeof proxyCodec.fromJson(LISTENER, json).ok, 'boolean')
      assert.equal(
        typeof proxyCodec.fromJson(LISTENER, { name: json, address: json, filter_chains: json, metadata: { filter_metadata: json } }).ok,
        'boolean',
      )
    }),
    { seed: 7, numRuns: 500 },
  )
})

test('the problem says where in the message the bytes went wrong', () => {
  const result = fullCodec.decode(LISTENER, Buffer.from('1a06' + '1a04' + '0a05' + '6100', 'hex'))
  assert.deepEqual(result, {
    ok: false,
    problems: [
      { path: 'filter_chains[0].filters[0]', message: `a length of 5 runs past its message at byte 6 while decoding ${LISTENER}` },
    ],
  })
})

test('a message nested without end is refused, by each of the ways to nest', () => {
  const wrap = (tag: number, content: Buffer): Buffer => Buffer.concat([Buffer.from([tag]), varint(content.length), content])
  // Permission.not_rule = 8; Struct -> Value -> Struct; ListValue -> Value -> ListValue; Any in Any.
  let permission: Buffer = Buffer.alloc(0)
  for (let depth = 0; depth < 5000; depth++) permission = wrap(0x42, permission)
  assert.match(JSON.stringify(fullCodec.decode('envoy.config.rbac.v3.Permission', permission)), /nested deeper than 64/)

  let struct: Buffer = Buffer.alloc(0)
  for (let depth = 0; depth < 5000; depth++) struct = wrap(0x0a, wrap(0x12, wrap(0x2a, struct)))
  assert.match(JSON.stringify(fullCodec.decode('xds.type.v3.TypedStruct', wrap(0x12, struct))), /nested deeper than 64/)

  let list: Buffer = Buffer.alloc(0)
  for (let depth = 0; depth < 5000; depth++) list = wrap(0x0a, wrap(0x32, list))
  assert.match(
    JSON.stringify(fullCodec.decode('xds.type.v3.TypedStruct', wrap(0x12, wrap(0x0a, wrap(0x12, wrap(0x32, list)))))),
    /nested deeper than 64/,
  )

  const url = Buffer.from(typeUrl('envoy.config.listener.v3.Filter'))
  let filter: Buffer = Buffer.alloc(0)
  for (let depth = 0; depth < 300; depth++) filter = wrap(0x22, Buffer.concat([wrap(0x0a, url), wrap(0x12, filter)]))
  assert.match(JSON.stringify(fullCodec.decode('envoy.config.listener.v3.Filter', filter)), /nested deeper than 64/)
})

function varint(value: number): Buffer {
  const bytes: number[] = []
  let rest = value
  for (; rest > 127; rest >>>= 7) bytes.push((rest & 127) | 128)
  return Buffer.from([...bytes, rest])
}
