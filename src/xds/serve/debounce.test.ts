// Changes are gathered, but never for longer than the ceiling.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import { debounce } from './debounce.ts'

test('a burst of changes acts once, 100 ms after the last', () => {
  const clock = new FakeClock()
  const at: number[] = []
  const debounced = debounce(clock, () => void at.push(clock.monotonicMs()))
  for (let change = 0; change < 5; change++) {
    debounced.changed()
    clock.advance(50)
  }
  clock.advance(1000)
  assert.deepEqual(at, [300])
})

test('changes that never pause act every 10 s', () => {
  const clock = new FakeClock()
  const at: number[] = []
  const debounced = debounce(clock, () => void at.push(clock.monotonicMs()))
  for (let change = 0; change < 500; change++) {
    debounced.changed()
    clock.advance(50)
  }
  assert.deepEqual(at, [10_000, 20_000])
})

test('a change during a slow action waits for its end and is not lost', async () => {
  const clock = new FakeClock()
  let runs = 0
  let finish = (): void => undefined
  const debounced = debounce(clock, () => {
    runs++
    return new Promise<void>((resolve) => {
      finish = resolve
    })
  })
  debounced.changed()
  clock.advance(100)
  debounced.changed()
  clock.advance(1000)
  assert.equal(runs, 1)
  finish()
  await new Promise(setImmediate)
  clock.advance(100)
  assert.equal(runs, 2)
})

test('after a stop nothing happens', () => {
  const clock = new FakeClock()
  let runs = 0
  const debounced = debounce(clock, () => void runs++)
  debounced.changed()
  debounced.stop()
  clock.advance(1000)
  assert.equal(runs, 0)
})
