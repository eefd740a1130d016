import assert from 'node:assert/strict'
import { once } from 'node:events'
import net, { type Socket } from 'node:net'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../../base/fake-clock.ts'
import { TimerWheel } from '../../base/timer-wheel.ts'
import type { PortTest } from '../config/proxy-config.ts'
import { type Inspection, inspect, inspectionAt, UNINSPECTED } from './inspect.ts'

const WANTED = { tls: true, http: true, timeoutMs: 100, continuesOnTimeout: true }

test('what the client said in time counts, also when the loop was held up until its time was over', async (t) => {
  const clock = new FakeClock()
  const { client, accepted } = await connection(t)
  const seen = new Promise<Inspection>((resolve) => inspect(accepted, WANTED, new TimerWheel(clock), () => false, resolve))
  client.write('GET / HTTP/1.1\r\n')

  // The timer fires before the socket is read.
  clock.advance(100)

  assert.deepEqual((await seen).applicationProtocols, ['http/1.1'])
})

test('a client that says nothing is given up when its time is over', async (t) => {
  const clock = new FakeClock()
  const { accepted } = await connection(t)
  let seen: Inspection | undefined
  inspect(
    accepted,
    WANTED,
    new TimerWheel(clock),
    () => false,
    (inspection) => {
      seen = inspection
    },
  )

  clock.advance(100)
  assert.equal(seen, undefined)
  clock.advance(100)

  assert.equal(seen, UNINSPECTED)
})

test('where clients speak first, a hello that comes late is still read', async (t) => {
  const clock = new FakeClock()
  const { client, accepted } = await connection(t)
  const seen = new Promise<Inspection>((resolve) => inspect(accepted, WANTED, new TimerWheel(clock), () => true, resolve))

  clock.advance(100)
  clock.advance(5000)
  client.write('GET / HTTP/1.1\r\n')

  assert.deepEqual((await seen).applicationProtocols, ['http/1.1'])
})

test('filters are off at the ports that say so', () => {
  const http: PortTest = { kind: 'range', start: 80, end: 82 }
  const wanted = {
    ...WANTED,
    httpExcept: { kind: 'not', test: http },
    tlsExcept: { kind: 'some', tests: [{ kind: 'range', start: 81, end: 82 }] },
  } as const
  const readAt = (port: number): string => {
    const found = inspectionAt(wanted, port)
    return found === undefined ? 'nothing' : `${found.tls ? 'tls ' : ''}${found.http ? 'http' : ''}`
  }
  assert.deepEqual([79, 80, 81, 82].map(readAt), ['tls ', 'tls http', 'http', 'tls '])
  assert.equal(inspectionAt({ ...wanted, tlsExcept: { kind: 'any' } }, 79), undefined)
  assert.equal(inspectionAt({ ...WANTED, tlsExcept: { kind: 'every', tests: [http, { kind: 'any' }] } }, 80)?.tls, false)
})

async function connection(t: TestContext): Promise<{ readonly client: Socket; readonly accepted: Socket }> {
  const server = net.createServer()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(typeof address === 'object' && address !== null)
  const client = net.connect(address.port, '127.0.0.1')
  const accepting: Promise<Socket[]> = once(server, 'connection')
  const [[accepted]] = await Promise.all([accepting, once(client, 'connect')])
  assert.ok(accepted !== undefined)
  t.after(() => {
    client.destroy()
    accepted.destroy()
    server.close()
  })
  return { client, accepted }
}
