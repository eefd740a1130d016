// The hand-assembled responses are what the full codec would have written.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { encodedAny } from '../../envoy/any.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import { CLUSTER_TYPE } from '../../envoy/type-urls.ts'
import { encodeDeltaBody, encodeDeltaTail, encodeSotwResponse } from './wire.ts'

const sizes = [0, 1, 100, 127, 128, 16_383, 16_384, 3_000_000]

for (const size of sizes) {
  test(`a resource of ${size} bytes is framed as the codec frames it`, () => {
    const bytes = Buffer.alloc(size, 7)
    const body = encodeDeltaBody({
      typeUrl: CLUSTER_TYPE,
      changed: [
        ['a', { version: '1', bytes }],
        ['b', { version: '2', bytes: Buffer.from('x') }],
      ],
      removed: ['gone', 'gone too'],
    })
    const delta = Buffer.concat([...body, encodeDeltaTail({ systemVersion: 'v', typeUrl: CLUSTER_TYPE, nonce: 'n' })])
    const expected = fullCodec.encode('envoy.service.discovery.v3.DeltaDiscoveryResponse', {
      systemVersionInfo: 'v',
      typeUrl: CLUSTER_TYPE,
      nonce: 'n',
      resources: [
        { name: 'a', version: '1', resource: encodedAny(CLUSTER_TYPE, bytes) },
        { name: 'b', version: '2', resource: encodedAny(CLUSTER_TYPE, Buffer.from('x')) },
      ],
      removedResources: ['gone', 'gone too'],
    })
    const read = (from: Buffer): unknown => fullCodec.decode('envoy.service.discovery.v3.DeltaDiscoveryResponse', from, { keepAny: true })
    assert.deepEqual(read(delta), read(expected))
  })
}

test('a state-of-the-world response reads back', () => {
  const bytes = encodeSotwResponse({
    version: 'v',
    typeUrl: CLUSTER_TYPE,
    nonce: 'n',
    resources: [{ version: '1', bytes: Buffer.from('abc') }],
  })
  const read = fullCodec.decode('envoy.service.discovery.v3.DiscoveryResponse', bytes, { keepAny: true })
  assert.ok(read.ok)
  assert.equal(read.value.versionInfo, 'v')
  assert.equal(read.value.nonce, 'n')
  assert.equal(read.value.resources?.length, 1)
})
