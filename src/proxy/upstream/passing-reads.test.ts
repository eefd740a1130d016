// What a tunnel reads into: one buffer for all, of which nobody keeps a view, and a buffer of its own for a connection that fills it.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { PassingReads } from './passing-reads.ts'

function reads(reader: PassingReads): Buffer[] {
  const got: Buffer[] = []
  reader.onData = (chunk) => got.push(chunk)
  return got
}

test('what one connection read is not changed by the read of another', () => {
  const [one, two] = [new PassingReads(), new PassingReads()]
  const [ofOne, ofTwo] = [reads(one), reads(two)]

  one.options.buffer().fill('a', 0, 10)
  one.options.callback(10)
  two.options.buffer().fill('b', 0, 10)
  two.options.callback(10)

  assert.equal(one.options.buffer(), two.options.buffer())
  assert.deepEqual([ofOne.map(String), ofTwo.map(String)], [['a'.repeat(10)], ['b'.repeat(10)]])
})

test('a connection that fills the common buffer reads into its own from then on', () => {
  const [busy, quiet] = [new PassingReads(), new PassingReads()]
  const got = reads(busy)
  const common = busy.options.buffer()
  busy.options.callback(common.fill('a').length)

  const own = busy.options.buffer()
  own.fill('b', 0, 5)
  busy.options.callback(5)

  assert.ok(own.length > common.length)
  assert.equal(quiet.options.buffer(), common)
  assert.deepEqual([got[0]?.length, String(got[1])], [common.length, 'bbbbb'])
})

test('a connection that becomes quiet gives its buffer back, and what was asked for before is still read from it', () => {
  const reader = new PassingReads()
  const got = reads(reader)
  const common = reader.options.buffer()
  reader.options.callback(common.length)
  const own = reader.options.buffer()

  reader.shrink()
  own.fill('c', 0, 5)
  reader.options.callback(5)

  assert.equal(String(got[1]), 'ccccc')
  assert.equal(reader.options.buffer(), common)
})
