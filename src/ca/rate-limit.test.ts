// The bucket of each identity: what fits in at once, what comes back with time, and what is remembered.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { createRateLimit } from './rate-limit.ts'

test('a burst fits in, more waits as long as it is told, and nobody waits for another', () => {
  const clock = new FakeClock()
  const limit = createRateLimit({ clock, perSecond: 2, burst: 3 })
  assert.deepEqual([limit.take('a'), limit.take('a'), limit.take('a'), limit.take('a')], [0, 0, 0, 500])
  assert.equal(limit.take('b'), 0)
  clock.advance(250)
  assert.equal(limit.take('a'), 250)
  clock.advance(250)
  assert.deepEqual([limit.take('a'), limit.take('a')], [0, 500])
  clock.advance(3_600_000)
  assert.deepEqual([limit.take('a'), limit.take('a'), limit.take('a'), limit.take('a')], [0, 0, 0, 500])
})

test('a bounded number of identities is remembered, those that asked last', () => {
  const limit = createRateLimit({ clock: new FakeClock(), perSecond: 1, burst: 1, maxIdentities: 100 })
  for (let index = 0; index < 1000; index++) limit.take(`id-${index}`)
  assert.equal(limit.remembered, 100)
  assert.deepEqual([limit.take('id-999'), limit.take('id-0')], [1000, 0])
})
