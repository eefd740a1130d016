import assert from 'node:assert/strict'
import http, { type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { text } from 'node:stream/consumers'
import { test } from 'node:test'
import { systemClock } from '../base/clock.ts'
import { type KubeConnection, plainConnection } from './connection.ts'
import { forwardTo, frame, PORT, startForwardingServer } from './port-forward.fixture.ts'
import { openPodPort } from './port-forward.ts'

async function open(connection: KubeConnection): Promise<Duplex> {
  const opened = await openPodPort(connection, { namespace: 'lateen-system', pod: 'cp-1', port: 8081 }, systemClock)
  assert.ok(opened.ok)
  return opened.value
}

test('HTTP goes through the connection, large answers too', async (t) => {
  const large = 'x'.repeat(300_000)
  const server = http.createServer((request, response) => void response.end(`${request.url} ${large}`))
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const asked: (string | undefined)[] = []
  const forward = forwardTo((server.address() as AddressInfo).port)
  const connection = await startForwardingServer(t, (socket, request) => {
    asked.push(request.url)
    forward(socket, request)
  })

  const stream = await open(connection)
  const answer = await new Promise<IncomingMessage>((resolve, reject) => {
    const request = http.request({ path: '/v1/proxies', createConnection: () => stream, headers: { connection: 'close' } }, resolve)
    request.on('error', reject)
    request.end()
  })
  assert.equal(await text(answer), `/v1/proxies ${large}`)
  assert.deepEqual(asked, ['/api/v1/namespaces/lateen-system/pods/cp-1/portforward?ports=8081'])
})

test('what the kubelet says of a port that nobody listens on ends the connection with its words', async (t) => {
  const connection = await startForwardingServer(t, (socket) => {
    socket.write(Buffer.concat([frame(0, PORT), frame(1, PORT), frame(1, Buffer.from('connection refused'))]))
  })
  await assert.rejects(text(await open(connection)), /connection refused/)
})

test('who has not the right is told so', async (t) => {
  const server = http.createServer()
  server.on('upgrade', (_request, socket) => {
    socket.end('HTTP/1.1 403 Forbidden\r\ncontent-length: 9\r\nconnection: close\r\n\r\nforbidden')
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const connection = plainConnection(`http://127.0.0.1:${(server.address() as AddressInfo).port}`)
  const refused = await openPodPort(connection, { namespace: 'a', pod: 'b', port: 1 }, systemClock)
  assert.ok(!refused.ok)
  assert.equal(refused.failure.reason, 'Forbidden')
  assert.match(refused.failure.message, /connect to port 1 of Pod a\/b/)
})
