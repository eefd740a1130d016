// Accepted sockets whose reads are switched to a buffer of ours, with this Node. Fails where Node's own fields have changed.
import assert from 'node:assert/strict'
import { createHash, randomBytes } from 'node:crypto'
import { once } from 'node:events'
import net, { type AddressInfo } from 'node:net'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { TestCa } from '../../../test/harness/certificates.ts'
import { PassingReads } from '../upstream/passing-reads.ts'
import { ReadBuffer } from '../upstream/read-buffer.ts'
import { switchReads } from './switch-reads.ts'

const SENT = randomBytes(8 * 1024 * 1024)
const DIGEST = createHash('sha256').update(SENT).digest('hex')

/** Sends all of it and ends; resolves to the accepted side, which is not read yet. */
async function accepted(kind: 'tcp' | 'tls', t: TestContext): Promise<net.Socket> {
  const server = kind === 'tcp' ? net.createServer({ allowHalfOpen: true }) : tls.createServer(serverOptions())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const { port } = server.address() as AddressInfo
  const client = kind === 'tcp' ? net.connect(port, '127.0.0.1') : tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
  client.on('error', () => undefined)
  client.end(SENT)
  const [socket] = await once(server, kind === 'tcp' ? 'connection' : 'secureConnection')
  assert.ok(socket instanceof net.Socket)
  t.after(() => {
    client.destroy()
    socket.destroy()
    server.close()
  })
  return socket
}

function serverOptions(): tls.TlsOptions {
  const { chainPem, keyPem } = new TestCa().issue('server.test')
  return { cert: chainPem, key: keyPem, allowHalfOpen: true }
}

for (const kind of ['tcp', 'tls'] as const) {
  for (const [name, reader] of [
    ['one buffer', () => new ReadBuffer()],
    ['the buffer of all', () => new PassingReads()],
  ] as const) {
    test(`${kind}: an accepted socket reads into ${name}, loses nothing, pauses, and ends`, async (t) => {
      const socket = await accepted(kind, t)
      const digest = createHash('sha256')
      const reads = { emitted: 0, buffered: 0, whilePaused: 0 }
      let switched: ReadBuffer | PassingReads | undefined
      socket.on('data', (chunk: Buffer) => {
        reads.emitted++
        digest.update(chunk)
        switched = switchReads<ReadBuffer | PassingReads>(socket, reader)
        if (switched === undefined) return
        switched.onData = (bytes) => {
          reads.buffered++
          if (socket.isPaused()) reads.whilePaused++
          digest.update(bytes)
          // A record of TLS that is decrypted already comes in spite of a pause.
          if (kind === 'tls' && reads.buffered % 8 !== 0) return
          socket.pause()
          setImmediate(() => socket.resume())
        }
      })
      await once(socket, 'end')
      assert.ok(switched !== undefined, 'Node has changed: every read allocates 64 KiB until switch-reads.ts knows how')
      assert.equal(digest.digest('hex'), DIGEST)
      assert.ok(reads.buffered > reads.emitted)
      if (kind === 'tcp') assert.equal(reads.whilePaused, 0)
    })
  }
}

test('paused and switched before its first octet, a socket reads on, and the next pause holds it', async (t) => {
  const socket = await accepted('tcp', t)
  const digest = createHash('sha256')
  const held = Promise.withResolvers<void>()
  let whilePaused = 0
  socket.pause()
  const switched = switchReads(socket, () => new PassingReads())
  assert.ok(switched !== undefined, 'clients of TCP that speak first are read into fresh buffers for as long as they live')
  switched.onData = (bytes) => {
    digest.update(bytes)
    socket.pause()
    switched.onData = (more) => {
      whilePaused++
      digest.update(more)
    }
    held.resolve()
  }
  await held.promise
  // Whatever the loop would read, it reads in these turns: the sender has eight MiB ready.
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setImmediate(resolve))
  assert.equal(whilePaused, 0)
  socket.resume()
  await once(socket, 'end')
  assert.equal(digest.digest('hex'), DIGEST)
})

test('octets that wait to be read stay in order: nothing is switched', async (t) => {
  const socket = await accepted('tcp', t)
  socket.unshift(Buffer.from('first'))
  assert.equal(
    switchReads(socket, () => new ReadBuffer()),
    undefined,
  )
})
