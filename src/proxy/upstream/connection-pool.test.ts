// The pool of one endpoint, with real sockets.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { TimerWheel } from '../../base/timer-wheel.ts'
import { ClusterLoad } from './circuit-breaker.ts'
import { createTicketBox } from './connect.ts'
import { ConnectionPool } from './connection-pool.ts'
import { UpstreamConnection } from './upstream-connection.ts'
import type { UpstreamStream, UpstreamUser } from './upstream-stream.ts'

async function startEndpoint(t: TestContext): Promise<{ readonly port: number; readonly accepted: net.Socket[] }> {
  const accepted: net.Socket[] = []
  const server = net.createServer((socket) => {
    accepted.push(socket)
    socket.on('error', () => undefined)
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    for (const socket of accepted) socket.destroy()
    server.close()
  })
  const address = server.address()
  return { port: typeof address === 'object' && address !== null ? address.port : 0, accepted }
}

function createPool(port: number): ConnectionPool {
  const target = {
    host: '127.0.0.1',
    port,
    connectTimeoutMs: 1000,
    bindAddress: undefined,
    transport: undefined,
    tickets: createTicketBox(),
  }
  const load = new ClusterLoad({ maxConnections: 10, maxPendingRequests: 10, maxRequests: 10, maxRetries: 1 })
  return new ConnectionPool(
    target,
    load,
    { clock: systemClock, wheel: new TimerWheel(systemClock, 10) },
    { idleTimeoutMs: 0, maxRequestsPerConnection: undefined },
  )
}

function waitingUser(): { readonly user: UpstreamUser; readonly served: Promise<UpstreamStream | string> } {
  const { promise, resolve } = Promise.withResolvers<UpstreamStream | string>()
  const user: UpstreamUser = {
    upgrade: '',
    method: 'POST',
    scheme: 'http',
    onConnection: resolve,
    onUpstreamFailure: (failure) => resolve(failure),
    onInformational: () => undefined,
    onResponseHead: () => 'stop',
    onResponseBody: () => undefined,
    onSwitched: () => undefined,
    onUpstreamDrain: () => undefined,
  }
  return { user, served: promise }
}

test('who waits for a connection while the endpoint is removed still gets it, and it is the last one', async (t) => {
  const endpoint = await startEndpoint(t)
  const pool = createPool(endpoint.port)
  const { user, served } = waitingUser()
  assert.equal(pool.acquire(user), 'waiting')

  pool.retire()
  const connection = await served

  assert.ok(typeof connection !== 'string', `it was told: ${String(connection)}`)
  connection.abandon()
  assert.equal(pool.size, 0)
  assert.equal(pool.totalConnections, 1)
})

test('a connection that becomes free after the endpoint was removed is closed', async (t) => {
  const endpoint = await startEndpoint(t)
  const pool = createPool(endpoint.port)
  const { user, served } = waitingUser()
  pool.acquire(user)
  const connection = await served
  assert.ok(connection instanceof UpstreamConnection)

  pool.retire()
  pool.connectionFreed(connection)

  assert.equal(connection.isOpen, false)
  assert.equal(pool.size, 0)
})
