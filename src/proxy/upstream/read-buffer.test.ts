// Buffers that pending writes refer to: left to them until they are written, and then read into again.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { type PendingWrites, ReadBuffer } from './read-buffer.ts'

class FakeSocket implements PendingWrites {
  writableLength = 0
  destroyed = false
}

/** Reads once; what was read is left pending in `socket`. Returns the buffer that was read into. */
function readPending(reader: ReadBuffer, socket: FakeSocket): Buffer {
  const buffer = reader.options.buffer()
  reader.onData = (chunk) => {
    socket.writableLength += chunk.length
  }
  reader.options.callback(10)
  reader.lend(socket)
  return buffer
}

test('what was lent is read into again once it is written, and not before', () => {
  const [reader, socket] = [new ReadBuffer(), new FakeSocket()]
  const first = readPending(reader, socket)
  const second = readPending(reader, socket)
  socket.writableLength = 0
  const third = readPending(reader, socket)
  const fourth = readPending(reader, socket)

  assert.equal(new Set([first, second, third]).size, 3, 'nothing was written in between')
  assert.equal(fourth, second, 'the last that was lent before all was written')
})

test('one reader and a writer that keeps up with it need two buffers', () => {
  const [reader, socket] = [new ReadBuffer(), new FakeSocket()]
  const buffers = new Set<Buffer>()
  for (let read = 0; read < 100; read++) {
    buffers.add(readPending(reader, socket))
    socket.writableLength = 0
  }
  assert.equal(buffers.size, 2)
})

test('a socket that was destroyed keeps what it was lent', () => {
  const [reader, socket] = [new ReadBuffer(), new FakeSocket()]
  const first = readPending(reader, socket)
  socket.writableLength = 0
  socket.destroyed = true
  const next = [readPending(reader, new FakeSocket()), reader.options.buffer()]
  assert.ok(!next.includes(first))
})

test('octets that are kept are never read over, written or not', () => {
  const [reader, socket] = [new ReadBuffer(), new FakeSocket()]
  const kept = reader.options.buffer()
  reader.options.callback(10)
  reader.retain()
  const buffers = Array.from({ length: 10 }, () => {
    const buffer = readPending(reader, socket)
    socket.writableLength = 0
    return buffer
  })
  assert.ok(!buffers.includes(kept))
})
