import assert from 'node:assert/strict'
import { test } from 'node:test'
import { createWeakMemo } from './weak-memo.ts'

test('what was made from the same objects is not made again, and from others it is', () => {
  const memo = createWeakMemo<object>()
  const [a, b, c] = [{}, {}, {}]
  const first = memo([a, b], () => ({}))

  assert.equal(
    memo([a, b], () => ({})),
    first,
  )
  assert.notEqual(
    memo([a, c], () => ({})),
    first,
  )
  assert.notEqual(
    memo([b, a], () => ({})),
    first,
  )
})
