import assert from 'node:assert/strict'
import { test } from 'node:test'
import { formatDurationJson, parseDurationJson, splitDuration, splitTimestamp, timestampText } from './time-values.ts'

test('durations keep their sign and their nanoseconds', () => {
  for (const [ms, text] of [
    [0, '0s'],
    [5000, '5s'],
    [-250, '-0.250s'],
    [0.000001, '0.000000001s'],
    [1500.5, '1.500500s'],
  ] as const) {
    assert.equal(formatDurationJson(ms), text)
    assert.deepEqual(parseDurationJson(text), { ok: true, value: ms })
  }
  assert.deepEqual(splitDuration(-1500), { seconds: -1, nanos: -500_000_000 })
  assert.deepEqual(splitDuration(999.9999999), { seconds: 1, nanos: 0 })
})

test('only ProtoJSON durations are read', () => {
  for (const text of ['5', '5ms', '1h', '', 's', '1.s', '1,5s', ' 5s']) assert.equal(parseDurationJson(text).ok, false, text)
})

test('timestamps go there and back', () => {
  for (const text of ['1970-01-01T00:00:00Z', '2026-01-31T12:00:00.250Z', '1969-12-31T23:59:59.000000001Z']) {
    const split = splitTimestamp(text)
    assert.ok(split.ok)
    assert.equal(timestampText(split.value.seconds, split.value.nanos), text)
  }
  assert.deepEqual(splitTimestamp('2026-01-31T12:00:00+01:00'), splitTimestamp('2026-01-31T11:00:00Z'))
  assert.equal(splitTimestamp('yesterday').ok, false)
})
