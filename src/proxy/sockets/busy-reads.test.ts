// Accepted sockets that are switched to one read buffer, with this Node. Fails where Node's own fields have changed.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import { ReadBuffer } from '../upstream/read-buffer.ts'
import { switchBusyReads } from './busy-reads.ts'

const SENT = randomBytes(8 * 1024 * 1024)

/** Sends all of it and ends; resolves to the accepted side, which is not read yet. */
async function accepted(t: TestContext): Promise<net.Socket> {
  const server = net.createServer({ allowHalfOpen: true })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const client = net.connect((server.address() as AddressInfo).port, '127.0.0.1')
  client.on('error', () => undefined)
  client.end(SENT)
  const [socket] = await once(server, 'connection')
  assert.ok(socket instanceof net.Socket)
  t.after(() => {
    client.destroy()
    socket.destroy()
    server.close()
  })
  return socket
}

test('a busy accepted socket reads into one buffer, loses nothing, pauses, and ends', async (t) => {
  const socket = await accepted(t)
  const digest = createHash('sha256')
  const reads = { emitted: 0, buffered: 0, whilePaused: 0 }
  let switched: ReadBuffer | undefined
  socket.on('data', (chunk: Buffer) => {
    reads.emitted++
    digest.update(chunk)
    switched = switchBusyReads(socket, chunk, () => new ReadBuffer())
    if (switched === undefined) return
    switched.onData = (bytes) => {
      reads.buffered++
      if (socket.isPaused()) reads.whilePaused++
      digest.update(bytes)
      socket.pause()
      setImmediate(() => socket.resume())
    }
  })
  await once(socket, 'end')
  assert.ok(switched !== undefined, 'Node has changed: uploads cost twice as much until busy-reads.ts knows how')
  assert.equal(digest.digest('hex'), createHash('sha256').update(SENT).digest('hex'))
  assert.ok(reads.buffered > reads.emitted)
  assert.equal(reads.whilePaused, 0)
})

test('a read that is not full switches nothing', async (t) => {
  const socket = await accepted(t)
  socket.once('data', () => undefined)
  await once(socket, 'data')
  assert.equal(
    switchBusyReads(socket, Buffer.alloc(1000), () => new ReadBuffer()),
    undefined,
  )
})
