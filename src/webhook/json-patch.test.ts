import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { applyPatch } from './apply-patch.fixture.ts'
import { jsonPatch } from './json-patch.ts'

const name = fc.constantFrom('a', 'b', 'c/d', 'e~f', '')
const { value } = fc.letrec((tie) => ({
  value: fc.oneof({ depthSize: 'small' }, fc.integer(), name, fc.constant(null), fc.boolean(), tie('list'), tie('object')),
  list: fc.array(fc.oneof(tie('value'), fc.record({ name, value: tie('value') }, { noNullPrototype: true })), { maxLength: 5 }),
  object: fc.dictionary(name, tie('value'), { maxKeys: 4, noNullPrototype: true }),
}))

test('a patch applied to the value before gives exactly the value after', () => {
  fc.assert(
    fc.property(value, value, (before, after) => {
      assert.deepEqual(applyPatch(before, jsonPatch(before, after)), after)
    }),
    { numRuns: 2000, seed: 7 },
  )
})

test('equal values need no patch', () => {
  fc.assert(
    fc.property(value, (each) => assert.deepEqual(jsonPatch(each, structuredClone(each)), [])),
    { seed: 7 },
  )
})

test('a container more is one operation, and a changed field of another one is one more', () => {
  const before = { containers: [{ name: 'app', image: 'a:1', env: [{ name: 'A', value: '1' }] }] }
  const after = {
    containers: [
      { name: 'proxy', image: 'p' },
      { name: 'app', image: 'a:1', env: [{ name: 'A', value: '2' }] },
    ],
  }

  assert.deepEqual(jsonPatch(before, after), [
    { op: 'add', path: '/containers/0', value: { name: 'proxy', image: 'p' } },
    { op: 'replace', path: '/containers/1/env/0/value', value: '2' },
  ])
})

test('slashes and tildes in keys are escaped', () => {
  const patch = jsonPatch({ 'a/b': 1 }, { 'a/b': 2, 'c~d': 3 })

  assert.deepEqual(patch, [
    { op: 'replace', path: '/a~1b', value: 2 },
    { op: 'add', path: '/c~0d', value: 3 },
  ])
})
