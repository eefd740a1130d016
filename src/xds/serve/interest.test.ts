// Questions that thousands ask are answered once: equal questions get the same object, different ones never share an answer.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import type { EncodedResource } from '../generate/resources.ts'
import { createInterestBook, NO_NAMES } from './interest.ts'

const names = fc.array(fc.constantFrom<string[]>('a', 'b', 'c', 'd', 'e', 'ab', 'ba'), { maxLength: 6 })
const resources = (...of: readonly string[]): ReadonlyMap<string, EncodedResource> =>
  new Map(of.map((name) => [name, { version: '1', bytes: Buffer.from(name) }]))

test('the same names in another order are the same object', () => {
  const book = createInterestBook()
  assert.equal(book.subscribe(NO_NAMES, ['a', 'b', 'c']), book.subscribe(NO_NAMES, ['c', 'a', 'b']))
  assert.notEqual(book.subscribe(NO_NAMES, ['a', 'b', 'c']), book.subscribe(NO_NAMES, ['a', 'b']))
})

test('whatever was asked before, an answer is that of a plain set', () => {
  const book = createInterestBook()
  const step = fc.record({ add: fc.boolean(), names })
  fc.assert(
    fc.property(fc.array(step, { maxLength: 12 }), (steps) => {
      let [kept, plain] = [NO_NAMES, new Set<string>()]
      for (const { add, names: given } of steps) {
        kept = add ? book.subscribe(kept, given) : book.unsubscribe(kept, given)
        plain = add ? new Set([...plain, ...given]) : new Set([...plain].filter((name) => !given.includes(name)))
      }
      assert.deepEqual(new Set(kept), plain)
    }),
    { seed: 1, numRuns: 300 },
  )
})

test('what is held after asking: nothing of the new, the old again only when it is asked for anew', () => {
  const book = createInterestBook()
  const held = book.held({ a: '7' })
  const versions = (of: ReadonlyMap<string, { readonly version: string }>) =>
    Object.fromEntries([...of].map(([name, { version }]) => [name, version]))

  assert.deepEqual(versions(book.ask(held, ['a', 'b'], false)), { a: '7', b: '' })
  assert.deepEqual(versions(book.ask(held, ['a', 'b'], true)), { a: '', b: '' })
  assert.deepEqual(versions(book.forget(held, ['a'], false)), {})
  assert.deepEqual(versions(book.forget(held, ['a'], true)), { a: '' }, 'still wanted: sent once more')
  assert.deepEqual(versions(held), { a: '7' }, 'values do not change')
})

test('clients that come back with the same hold the same object; one other version is another', () => {
  const book = createInterestBook()
  const both = (version: string) => ({ a: version, b: version })
  assert.equal(book.held(both('1')), book.held(both('1')))
  assert.notEqual(book.held(both('1')), book.held(both('2')))
})

test('a selection of everything is the map itself, and one of a part is made once', () => {
  const book = createInterestBook()
  const all = resources('a', 'b')
  const both = book.subscribe(NO_NAMES, ['a', 'b', 'c'])
  const one = book.subscribe(NO_NAMES, ['b'])
  assert.equal(book.select(both, all), all)
  assert.deepEqual([...book.select(one, all).keys()], ['b'])
  assert.equal(book.select(one, all), book.select(one, all))
})
