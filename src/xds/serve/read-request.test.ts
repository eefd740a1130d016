import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { fullCodec } from '../../envoy/full-codec.ts'
import type { DeltaDiscoveryRequest } from '../../envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE } from '../../envoy/type-urls.ts'
import { createDeltaRequestReader, LENIENT } from './read-request.ts'

const NAME = 'envoy.service.discovery.v3.DeltaDiscoveryRequest'

function encode(request: DeltaDiscoveryRequest): Buffer {
  return Buffer.from(fullCodec.encode(NAME, request))
}

function names(count: number, prefix = 'outbound|9080||service-'): readonly string[] {
  return Array.from({ length: count }, (_, index) => `${prefix}${index}.default.svc.cluster.local`)
}

function versions(count: number, version: string): Readonly<Record<string, string>> {
  return Object.fromEntries(names(count).map((name) => [name, version]))
}

test('what is read is what the codec reads, whatever the size and order of its parts', () => {
  const read = createDeltaRequestReader()
  const part = fc.oneof(
    fc.record({ resourceNamesSubscribe: fc.integer({ min: 0, max: 200 }).map((count) => names(count)) }),
    fc.record({ resourceNamesUnsubscribe: fc.integer({ min: 0, max: 200 }).map((count) => names(count)) }),
    fc.record({ initialResourceVersions: fc.integer({ min: 0, max: 200 }).map((count) => versions(count, 'v')) }),
    fc.record({ typeUrl: fc.constant(CLUSTER_TYPE), responseNonce: fc.string({ maxLength: 5 }) }),
    fc.record({ node: fc.record({ id: fc.string({ maxLength: 20 }) }), errorDetail: fc.record({ code: fc.integer({ min: 1, max: 16 }) }) }),
  )
  fc.assert(
    fc.property(fc.array(part, { maxLength: 5 }), (parts) => {
      // Lists may come in pieces: messages one after the other are one message.
      const bytes = Buffer.concat(parts.map(encode))
      assert.deepEqual(read(bytes), fullCodec.decode(NAME, bytes, LENIENT))
    }),
    { seed: 3, numRuns: 300 },
  )
})

test('bent bytes are read, or refused, as by the codec', () => {
  const read = createDeltaRequestReader()
  const whole = encode({ typeUrl: CLUSTER_TYPE, resourceNamesSubscribe: names(100), initialResourceVersions: versions(100, 'v') })
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
      const bent = Buffer.from(whole)
      bent[at] = value
      for (const bytes of [bent, whole.subarray(0, length)]) {
        const [ours, theirs] = [read(bytes), fullCodec.decode(NAME, bytes, LENIENT)]
        assert.equal(ours.ok, theirs.ok)
        if (ours.ok) assert.deepEqual(ours, theirs)
      }
    }),
    { seed: 5, numRuns: 500 },
  )
})

test('equal lists of two clients are one object, others are not', () => {
  const read = createDeltaRequestReader()
  const from = (id: string, version: string) => {
    const request = {
      node: { id },
      typeUrl: CLUSTER_TYPE,
      resourceNamesSubscribe: names(100),
      initialResourceVersions: versions(100, version),
    }
    const result = read(encode(request))
    assert.ok(result.ok)
    return result.value
  }
  const [a, b, c] = [from('a', '1'), from('b', '1'), from('c', '2')]
  assert.equal(a.initialResourceVersions, b.initialResourceVersions)
  assert.equal(a.resourceNamesSubscribe, c.resourceNamesSubscribe)
  assert.notEqual(a.initialResourceVersions, c.initialResourceVersions)
  assert.deepEqual([a.node?.id, b.node?.id], ['a', 'b'])
})

test('what is remembered is bounded: after thousands of other lists the first is read anew', () => {
  const read = createDeltaRequestReader()
  const list = (version: string) => read(encode({ typeUrl: CLUSTER_TYPE, initialResourceVersions: versions(2000, version) }))
  const first = list('first')
  for (let other = 0; other < 150; other++) list(String(other))
  const again = list('first')
  assert.ok(first.ok && again.ok)
  assert.notEqual(first.value.initialResourceVersions, again.value.initialResourceVersions)
  assert.deepEqual(first, again)
})
