import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from './fake-clock.ts'
import { TimerWheel } from './timer-wheel.ts'

test('a deadline fires after its time, up to a tick late, and once', () => {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock, 20)
  let fired = 0
  wheel.after(50, () => fired++)
  clock.advance(49)
  assert.equal(fired, 0)
  clock.advance(40)
  assert.equal(fired, 1)
  clock.advance(1000)
  assert.equal(fired, 1)
  assert.equal(wheel.size, 0)
})

test('a cancelled deadline does not fire', () => {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock, 20)
  const deadline = wheel.after(50, () => assert.fail('cancelled'))
  wheel.cancel(deadline)
  clock.advance(1000)
})

test('what falls due while the actions of a tick take their time fires at the next', () => {
  const clock = new FakeClock()
  let workedMs = 0
  const wheel = new TimerWheel(
    {
      nowMs: () => clock.nowMs(),
      monotonicMs: () => clock.monotonicMs() + workedMs,
      after: (delayMs, action) => clock.after(delayMs, action),
    },
    20,
  )
  const fired: string[] = []
  wheel.after(100, () => {
    fired.push('slow')
    // A hundred refusals are more than a tick of work.
    workedMs += 60
    wheel.after(1000, () => fired.push('armed meanwhile'))
  })
  wheel.after(130, () => fired.push('meanwhile'))
  clock.advance(300)
  assert.deepEqual(fired, ['slow', 'meanwhile'])
  clock.advance(2000)
  assert.deepEqual(fired, ['slow', 'meanwhile', 'armed meanwhile'])
})
