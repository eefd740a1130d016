// SNI and ALPN out of real ClientHellos, and nothing but a verdict out of everything else.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { seededRandom } from '../../base/random.ts'
import { readClientHello } from './client-hello.ts'

async function captureHello(t: TestContext, options: tls.ConnectionOptions): Promise<Buffer> {
  const server = net.createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => server.close())
  const address = server.address()
  const client = tls.connect({ port: typeof address === 'object' && address !== null ? address.port : 0, host: '127.0.0.1', ...options })
  client.on('error', () => undefined)
  t.after(() => client.destroy())
  const [socket]: [net.Socket] = (await once(server, 'connection')) as [net.Socket]
  t.after(() => socket.destroy())
  const [bytes]: [Buffer] = (await once(socket, 'data')) as [Buffer]
  return bytes
}

test('server name and protocols are read; every shorter part is incomplete', async (t) => {
  const hello = await captureHello(t, { servername: 'Reviews.Default', ALPNProtocols: ['lateen/1', 'http/1.1'] })
  assert.deepEqual(readClientHello(hello), { kind: 'hello', serverName: 'reviews.default', alpn: ['lateen/1', 'http/1.1'] })
  for (let length = 0; length < hello.length; length++) {
    assert.equal(readClientHello(hello.subarray(0, length)).kind, 'incomplete', `${length} octets`)
  }
})

test('a hello in several records is read', async (t) => {
  const hello = await captureHello(t, { servername: 'a.b' })
  const body = hello.subarray(5)
  const record = (part: Buffer): Buffer => Buffer.concat([Buffer.from([0x16, 3, 1, part.length >> 8, part.length & 0xff]), part])
  const split = Buffer.concat([record(body.subarray(0, 20)), record(body.subarray(20, 90)), record(body.subarray(90))])
  assert.deepEqual(readClientHello(split), { kind: 'hello', serverName: 'a.b', alpn: [] })
})

test('other protocols are not TLS', () => {
  for (const text of ['GET / HTTP/1.1\r\n', 'SSH-2.0', '\x16\x05', '\x00']) {
    assert.equal(readClientHello(Buffer.from(text, 'latin1')).kind, 'not-tls', JSON.stringify(text))
  }
})

test('damaged hellos never throw', async (t) => {
  const hello = await captureHello(t, { servername: 'a.b', ALPNProtocols: ['x'] })
  const random = seededRandom(3)
  for (let round = 0; round < 20_000; round++) {
    const damaged = Buffer.from(hello)
    for (let hit = 0; hit < 4; hit++) damaged[Math.floor(random() * damaged.length)] = Math.floor(random() * 256)
    readClientHello(damaged)
  }
})
