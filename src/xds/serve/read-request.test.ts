import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { Result } from '../../base/result.ts'
import { fullCodec } from '../../envoy/full-codec.ts'
import type { DeltaDiscoveryRequest } from '../../envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE } from '../../envoy/type-urls.ts'
import { createInterestBook } from './interest.ts'
import { createDeltaRequestReader, type DeltaRequest, LENIENT } from './read-request.ts'

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
  const read = createDeltaRequestReader(createInterestBook())
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
      assert.deepEqual(asSaid(read(bytes)), fullCodec.decode(NAME, bytes, LENIENT))
    }),
    { seed: 3, numRuns: 300 },
  )
})

test('bent bytes are read, or refused, as by the codec', () => {
  const read = createDeltaRequestReader(createInterestBook())
  const whole = encode({ typeUrl: CLUSTER_TYPE, resourceNamesSubscribe: names(100), initialResourceVersions: versions(100, 'v') })
  fc.assert(
    fc.property(fc.nat(whole.length - 1), fc.nat(255), fc.nat(whole.length), (at, value, length) => {
      const bent = Buffer.from(whole)
      bent[at] = value
      for (const bytes of [bent, whole.subarray(0, length)]) {
        const [ours, theirs] = [asSaid(read(bytes)), fullCodec.decode(NAME, bytes, LENIENT)]
        assert.deepEqual(ours, theirs)
      }
    }),
    { seed: 5, numRuns: 500 },
  )
})

test('equal lists of two clients are one object, others are not', () => {
  const read = createDeltaRequestReader(createInterestBook())
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
  assert.equal(a.held?.common, b.held?.common)
  assert.equal(a.resourceNamesSubscribe, c.resourceNamesSubscribe)
  assert.notEqual(a.held?.common, c.held?.common)
  assert.deepEqual([a.node?.id, b.node?.id], ['a', 'b'])
})

test('what is remembered is bounded: after thousands of other lists the first is read anew', () => {
  const read = createDeltaRequestReader(createInterestBook())
  const list = (version: string) => read(encode({ typeUrl: CLUSTER_TYPE, initialResourceVersions: versions(2000, version) }))
  const first = list('first')
  for (let other = 0; other < 150; other++) list(String(other))
  const again = list('first')
  assert.ok(first.ok && again.ok)
  assert.notEqual(first.value.held?.common, again.value.held?.common)
  assert.deepEqual(first, again)
})

test('lists that differ in a few entries, anywhere, are read as the codec reads them', () => {
  const read = createDeltaRequestReader(createInterestBook())
  const edit = fc.record({
    at: fc.nat(120),
    drop: fc.nat(3),
    add: fc.array(fc.constantFrom('a', 'b', 'own', names(1)[0] ?? ''), { maxLength: 3 }),
  })
  fc.assert(
    fc.property(fc.array(edit, { maxLength: 3 }), fc.boolean(), (edits, twice) => {
      const entries = Object.entries(versions(120, 'v'))
      for (const { at, drop, add } of edits) entries.splice(at, drop, ...add.map((name) => [name, `of ${name}`] as [string, string]))
      // Written entry by entry, so that a name may stand there twice, as no object has it.
      const lists = entries.map(([name, version]) => encode({ initialResourceVersions: { [name]: version } }))
      const bytes = Buffer.concat([encode({ typeUrl: CLUSTER_TYPE }), ...lists, ...(twice ? lists.slice(-2) : [])])
      assert.deepEqual(asSaid(read(bytes)), fullCodec.decode(NAME, bytes, LENIENT))
    }),
    { seed: 9, numRuns: 500 },
  )
})

test('of lists that differ in names of their own, what is common is one object', () => {
  const read = createDeltaRequestReader(createInterestBook())
  const [, second, third] = ['a', 'b', 'c'].map((own) => {
    const result = read(encode({ typeUrl: CLUSTER_TYPE, initialResourceVersions: { [`inbound|80||${own}`]: '1', ...versions(100, 'v') } }))
    assert.ok(result.ok)
    return result.value.held
  })
  assert.equal(second?.common.size, 100)
  assert.equal(second?.common, third?.common)
  assert.deepEqual([...(third?.rest.keys() ?? [])], ['inbound|80||c'])
})

/** In the form of the codec. */
function asSaid(result: Result<DeltaRequest>): Result<DeltaDiscoveryRequest> {
  if (!result.ok) return result
  const { held, ...request } = result.value
  if (held === undefined) return { ok: true, value: request }
  return {
    ok: true,
    value: {
      ...request,
      initialResourceVersions: Object.fromEntries([...held.common, ...held.rest].map(([name, { version }]) => [name, version])),
    },
  }
}
