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

test('nothing is woken before the earliest deadline, and an earlier one that comes later is in time', () => {
  const clock = new FakeClock()
  const armedMs: number[] = []
  const counting = {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    after(delayMs: number, action: () => void) {
      armedMs.push(delayMs)
      return clock.after(delayMs, action)
    },
  }
  const wheel = new TimerWheel(counting, 20)
  const fired: string[] = []
  wheel.after(10_000, () => fired.push('late'))
  wheel.after(12_000, () => fired.push('later'))
  clock.advance(100)
  assert.equal(armedMs.length, 1)
  wheel.after(40, () => fired.push('early'))
  clock.advance(60)
  assert.deepEqual(fired, ['early'])
  clock.advance(12_000)
  assert.deepEqual(fired, ['early', 'late', 'later'])
  assert.ok(armedMs.length <= 5, `${armedMs.length} timers`)
})

test('a deadline of no time at all fires, on the edge of a tick too', () => {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock, 20)
  let fired = 0
  wheel.after(20 - (clock.monotonicMs() % 20), () => {
    fired++
    wheel.after(0, () => fired++)
  })
  clock.advance(100)
  assert.equal(fired, 2)
})

test('an action that throws costs no other deadline, of this tick or of a later one', () => {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock, 20)
  const fired: string[] = []
  wheel.after(40, () => {
    throw new Error('a mistake')
  })
  wheel.after(40, () => fired.push('same tick'))
  wheel.after(100, () => fired.push('later'))
  assert.throws(() => clock.advance(60), /a mistake/)
  clock.advance(20)
  assert.deepEqual(fired, ['same tick'])
  wheel.after(40, () => fired.push('set afterwards'))
  clock.advance(200)
  assert.deepEqual(fired, ['same tick', 'later', 'set afterwards'])
})

test('a deadline that another of the same tick cancels does not fire', () => {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock, 20)
  wheel.after(40, () => wheel.cancel(second))
  const second = wheel.after(40, () => assert.fail('cancelled'))
  clock.advance(100)
  assert.equal(wheel.size, 0)
})
