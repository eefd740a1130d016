import assert from 'node:assert/strict'
import { test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import { TimerWheel } from '../../base/timer-wheel.ts'
import { keepAlive } from './keepalive.ts'

test('the first PING comes after the interval and its share of the jitter, and silence ends the connection', (t) => {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock)
  let pings = 0
  let silent = 0
  const stop = keepAlive(
    { intervalMs: 10_000, timeoutMs: 2000, jitterPercent: 50 },
    { clock, wheel, random: () => 0.8, ping: () => pings++, lastReceivedMs: () => 0, onSilence: () => silent++ },
  )
  t.after(stop)
  clock.advance(13_900)
  assert.equal(pings, 0)
  clock.advance(200)
  assert.equal(pings, 1)
  assert.equal(silent, 0)
  clock.advance(2100)
  assert.equal(silent, 1)
})
