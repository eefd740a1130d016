import assert from 'node:assert/strict'
import { test } from 'node:test'
import { forwardTo, manager, virtualHost } from '../../../test/dataplane/configs.ts'
import { grpcTimeoutMs, streamDurationMs } from './stream-duration.ts'

test('a grpc-timeout is at most eight digits and a unit', () => {
  assert.deepEqual(['1H', '2M', '3S', '250m', '1500u', '1n', '00000001S'].map(grpcTimeoutMs), [3_600_000, 120_000, 3000, 250, 2, 1, 1000])
  for (const wrong of ['', '1', 'S', '1.5S', '-1S', '123456789S', '1s', ' 1S', undefined])
    assert.equal(grpcTimeoutMs(wrong), undefined, wrong)
})

test('the client may ask where the route allows it, up to its maximum; else the route decides, else the manager', () => {
  const all = manager(virtualHost([]), { maxStreamDurationMs: 9000 })
  const limit = (route: object, asked?: string) => streamDurationMs(forwardTo('up', route), all, asked)
  assert.equal(limit({ grpcTimeoutMaxMs: 5000 }, '2S'), 2000)
  assert.equal(limit({ grpcTimeoutMaxMs: 5000 }, '20S'), 5000)
  assert.equal(limit({ grpcTimeoutMaxMs: 0 }, '20S'), 20_000)
  assert.equal(limit({ grpcTimeoutMaxMs: 5000, maxStreamDurationMs: 7000 }), 7000)
  assert.equal(limit({ maxStreamDurationMs: 7000 }, '2S'), 7000)
  assert.equal(limit({}, '2S'), 9000)
  assert.equal(limit({ maxStreamDurationMs: 0 }, '2S'), undefined)
})
