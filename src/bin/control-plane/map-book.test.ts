// What is taken is what was announced, whatever happened in between.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { EncodedResource, ResourceMap } from '../../xds/generate/resources.ts'
import type { MapMessage } from './compile-protocol.ts'
import { createAnnouncer, takeMap } from './map-book.ts'

/** In the order of their names, as generate makes them. */
function mapOf(versions: Readonly<Record<string, number>>): ResourceMap {
  const names = Object.keys(versions).sort((a, b) => (a < b ? -1 : 1))
  return new Map(names.map((name): [string, EncodedResource] => [name, resource(name, versions[name] ?? 0)]))
}

/** Equal versions have equal bytes. */
function resource(name: string, version: number): EncodedResource {
  return { version: String(version), bytes: new Uint8Array(Buffer.from(`${name}@${version}`.repeat(version % 3))) }
}

/** As plain values, in order. */
const plain = (map: ResourceMap | undefined): readonly unknown[] =>
  [...(map ?? [])].map(([name, { version, bytes }]) => [name, version, Buffer.from(bytes).toString('utf8')])

/** The other side, behind a wire. */
function createTaker() {
  const maps = new Map<number, ResourceMap>()
  let bytes = 0
  return {
    maps,
    announcer: createAnnouncer((message: MapMessage) => {
      const { map, base, ...rest } = structuredClone(message)
      bytes += rest.bytes.length
      maps.set(map, takeMap({ map, base, ...rest }, base === undefined ? undefined : maps.get(base)))
    }),
    get bytes() {
      return bytes
    },
  }
}

const names = ['a', 'b', 'c', 'd', 'é', 'z', '10.0.0.1_80', 'outbound|80||a.b']
const versions = fc.dictionary(fc.constantFrom(...names), fc.integer({ min: 0, max: 5 }), { maxKeys: names.length })

test('a map taken is the map announced, name by name, in the same order', () => {
  fc.assert(
    fc.property(fc.array(versions, { minLength: 1, maxLength: 8 }), (states) => {
      const { announcer, maps } = createTaker()
      let before: ResourceMap | undefined
      for (const state of states) {
        const map = mapOf(state)
        const number = announcer.numberOf(map, before)
        assert.deepEqual(plain(maps.get(number)), plain(map))
        before = map
      }
    }),
    { seed: 1, numRuns: 500 },
  )
})

test('a map is announced once, and a difference carries the bytes of what differs only', () => {
  const taker = createTaker()
  const first = mapOf({ a: 4, b: 4 })
  const number = taker.announcer.numberOf(first, undefined)
  assert.equal(taker.announcer.numberOf(first, undefined), number)
  const after = taker.bytes
  taker.announcer.numberOf(mapOf({ a: 4, b: 1 }), first)
  assert.equal(taker.bytes - after, 'b@1'.length)
})

test('a base that the other side was told to forget is no base', () => {
  const taker = createTaker()
  const [first, second] = [mapOf({ a: 4, b: 4 }), mapOf({ a: 4, b: 1 })]
  const number = taker.announcer.numberOf(first, undefined)
  assert.deepEqual(taker.announcer.keepOnly(new Set()), [number])
  taker.maps.delete(number)
  assert.deepEqual(plain(taker.maps.get(taker.announcer.numberOf(second, first))), plain(second))
})
