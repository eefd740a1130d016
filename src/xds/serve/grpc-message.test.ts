// gRPC's framing, in whatever pieces it arrives.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import fc from 'fast-check'
import { GrpcMessageReader } from './grpc-message.ts'

function framed(message: Uint8Array, flag = 0): Buffer {
  const head = Buffer.alloc(5)
  head.writeUInt8(flag, 0)
  head.writeUInt32BE(message.length, 1)
  return Buffer.concat([head, message])
}

test('messages arrive whole and in order, however the bytes are cut', () => {
  const cuts = fc.array(fc.integer({ min: 1, max: 9 }), { minLength: 1, maxLength: 20 })
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 }), cuts, (messages, sizes) => {
      const bytes = Buffer.concat(messages.map((message) => framed(message)))
      const reader = new GrpcMessageReader(100)
      const read: string[] = []
      for (let at = 0, turn = 0; at < bytes.length; turn++) {
        const size = sizes[turn % sizes.length] ?? 1
        assert.equal(
          reader.read(bytes.subarray(at, at + size), (message) => void read.push(message.toString('hex'))),
          undefined,
        )
        at += size
      }
      assert.deepEqual(
        read,
        messages.map((message) => Buffer.from(message).toString('hex')),
      )
    }),
    { seed: 1, numRuns: 300 },
  )
})

test('a message of the largest size is read, one byte more is refused before it has arrived', () => {
  const read: number[] = []
  assert.equal(
    new GrpcMessageReader(10).read(framed(Buffer.alloc(10)), ({ length }) => void read.push(length)),
    undefined,
  )
  assert.deepEqual(read, [10])

  const head = framed(Buffer.alloc(11)).subarray(0, 5)
  assert.equal(
    new GrpcMessageReader(10).read(head, () => assert.fail('nothing is handed out')),
    'too-long',
  )
})

test('a compressed message is refused, and nothing is read after a refusal', () => {
  const reader = new GrpcMessageReader(10)
  const nothing = (): void => assert.fail('nothing is handed out')
  assert.equal(reader.read(framed(Buffer.from('a'), 1), nothing), 'compressed')
  assert.equal(reader.read(framed(Buffer.from('b')), nothing), 'compressed')
})
