// Octets arrive as they were sent, whatever the sizes, the speed of the reader and the buffers in between.
import assert from 'node:assert/strict'
import { createHash } from 'node:crypto'
import { test } from 'node:test'
import { seededRandom } from '../../src/base/random.ts'
import { waitFor } from '../harness/wait.ts'
import { simpleConfig } from './configs.ts'
import { connect, GET, startProxy, startUpstream } from './peers.ts'

function noise(length: number, seed: number): Buffer {
  const random = seededRandom(seed)
  const words = new Uint32Array(Math.ceil(length / 4))
  for (let index = 0; index < words.length; index++) words[index] = random() * 2 ** 32
  return Buffer.from(words.buffer, 0, length)
}

const digest = (octets: Buffer): string => createHash('sha256').update(octets).digest('hex')

for (const framing of ['length', 'chunked', 'until-close'] as const) {
  test(`bodies of many sizes to slow readers on several connections at once (${framing})`, async (t) => {
    const sizes = [1, 100, 8000, 8192, 8193, 20_000, 65_536, 300_000, 3_000_000]
    const upstream = await startUpstream(t, (peer) => {
      peer.socket.on('data', () => {
        const match = /GET \/(\d+) [\s\S]*\r\n\r\n$/.exec(peer.text)
        if (match === null) return
        peer.take()
        const body = noise(Number(match[1]), Number(match[1]))
        if (framing === 'length') peer.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\n\r\n`)
        else if (framing === 'chunked') peer.socket.write('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n')
        else peer.socket.write('HTTP/1.1 200 OK\r\n\r\n')
        for (let at = 0; at < body.length; at += 7001) {
          const part = body.subarray(at, at + 7001)
          if (framing === 'chunked') peer.socket.write(`${part.length.toString(16)}\r\n`)
          peer.socket.write(part)
          if (framing === 'chunked') peer.socket.write('\r\n')
        }
        if (framing === 'chunked') peer.socket.write('0\r\n\r\n')
        if (framing === 'until-close') peer.socket.end()
      })
    })
    const proxy = await startProxy(t, simpleConfig([upstream.port]))
    await Promise.all(
      sizes.map(async (size) => {
        const client = await connect(t, proxy.port)
        client.socket.removeAllListeners('data')
        client.send(GET.replace('/', `/${size}`).replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
        const chunks: Buffer[] = []
        for await (const chunk of client.socket) {
          chunks.push(chunk)
          // Slow: give the others a turn between two reads.
          await new Promise((resolve) => setImmediate(resolve))
        }
        const answer = Buffer.concat(chunks)
        const head = answer.indexOf('\r\n\r\n') + 4
        const body = framing === 'length' ? answer.subarray(head) : dechunk(answer.subarray(head))
        assert.equal(body.length, size)
        assert.equal(digest(body), digest(noise(size, size)), `${size} octets`)
      }),
    )
  })
}

function dechunk(octets: Buffer): Buffer {
  const parts: Buffer[] = []
  for (let at = 0; ; ) {
    const lineEnd = octets.indexOf('\r\n', at)
    const size = Number.parseInt(octets.toString('latin1', at, lineEnd), 16)
    if (size === 0) return Buffer.concat(parts)
    parts.push(octets.subarray(lineEnd + 2, lineEnd + 2 + size))
    at = lineEnd + 2 + size + 2
  }
}

test('request bodies of many sizes reach the upstream as they were', async (t) => {
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  const peerReady = upstream.accept()
  for (const size of [1, 9000, 70_000, 2_000_000]) {
    const body = noise(size, size)
    client.take()
    client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`)
    client.socket.write(body)
    const peer = await peerReady
    const text = await peer.until((received) => received.length - received.indexOf('\r\n\r\n') - 4 === size)
    assert.equal(digest(Buffer.from(text.slice(text.indexOf('\r\n\r\n') + 4), 'latin1')), digest(body))
    peer.take()
    peer.send('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    await client.until('\r\n\r\nok')
  }
})

test('a reader that begins only when every buffer on the way is full gets the same octets', async (t) => {
  const size = 16 * 1024 * 1024
  const body = noise(size, 5)
  const upstream = await startUpstream(t, (peer) => {
    // In small parts, so that the proxy's reads differ in size and none fills its buffer.
    const writeFrom = (at: number): void => {
      if (peer.socket.destroyed || at >= size) return
      const more = peer.socket.write(body.subarray(at, at + 5000))
      if (more) setImmediate(writeFrom, at + 5000)
      else peer.socket.once('drain', () => writeFrom(at + 5000))
    }
    peer.socket.once('data', () => {
      peer.socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${size}\r\n\r\n`)
      writeFrom(0)
    })
  })
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.socket.removeAllListeners('data')
  client.socket.pause()
  client.send(GET.replace('\r\n\r\n', '\r\nConnection: close\r\n\r\n'))
  const peer = await upstream.accept()
  // The proxy has stopped reading when what it has taken no longer grows.
  let taken = -1
  await waitFor(
    () => {
      const now = proxy.http.length + (peer.socket.bytesWritten - peer.socket.writableLength)
      const stuck = now === taken && now > 0
      taken = now
      return stuck
    },
    { what: 'a full way' },
  )
  assert.equal(proxy.http.length, 0, 'the proxy holds back instead of buffering')
  const chunks: Buffer[] = []
  for await (const chunk of client.socket) chunks.push(chunk)
  const answer = Buffer.concat(chunks)
  assert.equal(digest(answer.subarray(answer.indexOf('\r\n\r\n') + 4)), digest(body))
})

test('a request of 32 MiB reaches an upstream that reads in fits and starts as it was', async (t) => {
  const size = 32 * 1024 * 1024
  const body = noise(size, 7)
  const upstream = await startUpstream(t)
  const proxy = await startProxy(t, simpleConfig([upstream.port]))
  const client = await connect(t, proxy.port)
  client.send(`POST / HTTP/1.1\r\nHost: h\r\nContent-Length: ${size}\r\n\r\n`)
  client.socket.write(body)
  const { socket } = await upstream.accept()
  socket.removeAllListeners('data')
  const hash = createHash('sha256')
  let got = 0
  let beforeBody = ''
  for await (const chunk of socket) {
    let octets: Buffer = chunk
    if (!beforeBody.endsWith('\r\n\r\n')) {
      const text = beforeBody + octets.toString('latin1')
      const bodyStart = text.indexOf('\r\n\r\n') + 4
      assert.ok(bodyStart >= 4, 'the head comes in one piece')
      beforeBody = text.slice(0, bodyStart)
      octets = octets.subarray(bodyStart)
    }
    hash.update(octets)
    got += octets.length
    if (got >= size) break
    // Long enough for writes to be pending, every now and then long enough for all of them to be done.
    const turns = got % 7
    for (let turn = 0; turn < turns; turn++) await new Promise((resolve) => setImmediate(resolve))
  }
  assert.equal(hash.digest('hex'), digest(body))
})
