// A large buffer outlives a request on the connections that were busy last, and on no others.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PassingReads } from './passing-reads.ts'
import { forgetQuiet, keepWhileQuiet } from './quiet-buffers.ts'
import { ReadBuffer } from './read-buffer.ts'

const SMALL = 4 * 1024

/** One that filled its buffer, as the next read finds it. */
function grown(): ReadBuffer {
  const reader = new ReadBuffer()
  reader.options.callback(reader.options.buffer().length)
  reader.options.buffer()
  return reader
}

test('a connection that rests keeps its buffer until eight others rest after it', () => {
  const first = grown()
  first.rest()
  first.rest()
  const others = Array.from({ length: 7 }, grown)
  for (const other of others) other.rest()
  assert.ok(first.options.buffer().length > SMALL)

  const ninth = grown()
  ninth.rest()
  assert.equal(first.options.buffer().length, SMALL)
  assert.ok([...others, ninth].every((each) => each.options.buffer().length > SMALL))
  for (const each of [...others, ninth]) each.close()
})

test('a connection that closes gives its place to another, and a small one takes none', () => {
  const kept = Array.from({ length: 8 }, grown)
  for (const each of kept) each.rest()
  kept[7]?.close()
  new ReadBuffer().rest()
  new PassingReads().rest()
  const next = grown()
  next.rest()
  assert.ok(kept.slice(0, 7).every((each) => each.options.buffer().length > SMALL))
  for (const each of [...kept, next]) each.close()
})

test('whoever is made to give its buffer back is asked once', () => {
  let asked = 0
  const counted = { shrink: () => void asked++ }
  keepWhileQuiet(counted)
  const others = Array.from({ length: 20 }, grown)
  for (const other of others) other.rest()
  assert.equal(asked, 1)
  for (const other of others) forgetQuiet(other)
})
