// Peers that are slow on purpose, or say too much, beside a load that does not notice: docs/faults.md 11-13.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { socketAddress } from './bootstrap.ts'
import { describe, type Sidecar, type SidecarOptions, startBackend, startSidecar } from './sidecar.ts'

/** Sends the pieces one by one, as often as `every` says; resolves to everything that came back when the connection ends. */
async function dribble(t: TestContext, sidecar: Sidecar, text: string, everyMs = 100): Promise<string> {
  const socket = net.connect({ host: sidecar.host, port: sidecar.port })
  let answer = ''
  socket.setEncoding('latin1').on('data', (chunk: string) => {
    answer += chunk
  })
  socket.on('error', () => undefined)
  let at = 0
  const timer = setInterval(() => {
    if (at < text.length && socket.writable) socket.write(text[at++] ?? '')
  }, everyMs)
  t.after(() => {
    clearInterval(timer)
    socket.destroy()
  })
  await once(socket, 'close')
  clearInterval(timer)
  return answer
}

/** A server that speaks octets. */
async function startOctets(t: TestContext, answer: (socket: net.Socket) => void): Promise<number> {
  const sockets = new Set<net.Socket>()
  const server = net.createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => undefined)
    socket.once('data', () => answer(socket))
    socket.resume()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  t.after(() => {
    server.close()
    for (const socket of sockets) socket.destroy()
  })
  const address = server.address()
  return typeof address === 'object' && address !== null ? address.port : 0
}

/** '/odd' goes to the odd upstream, everything else to the echo application. */
async function besideLoad(
  t: TestContext,
  oddPort: number,
  options: Partial<SidecarOptions> & { readonly odd?: object } = {},
): Promise<Sidecar> {
  const backend = await startBackend(t)
  const routes = [
    { match: { prefix: '/odd' }, route: { cluster: 'odd', timeout: '0s', ...options.odd } },
    { match: { prefix: '/' }, route: { cluster: 'upstream', timeout: '0s' } },
  ]
  return await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: backend.port },
    clusters: [
      {
        name: 'odd',
        type: 'STATIC',
        connect_timeout: '1s',
        load_assignment: {
          cluster_name: 'odd',
          endpoints: [{ lb_endpoints: [{ endpoint: { address: socketAddress('127.0.0.1', oddPort) } }] }],
        },
      },
    ],
    ...options,
    manager: { route_config: { name: 'drill', virtual_hosts: [{ name: 'all', domains: ['*'], routes }] }, ...options.manager },
  })
}

const COUNT = 100

test('clients that send their request octet by octet are answered 408 in time, and cost others nothing', async (t) => {
  const sidecar = await besideLoad(t, 1, { manager: { request_headers_timeout: '0.7s', stream_idle_timeout: '1s' } })
  const load = sidecar.load(2500)
  await sidecar.untilAnswered(50)
  const head = Array.from({ length: COUNT }, () => dribble(t, sidecar, 'GET /slow HTTP/1.1\r\nhost: echo\r\nx: y\r\n\r\n'))
  const body = dribble(t, sidecar, '', 50)
  const stalled = net.connect({ host: sidecar.host, port: sidecar.port })
  stalled.on('error', () => undefined)
  stalled.write('POST /stalled HTTP/1.1\r\nhost: echo\r\ncontent-length: 100\r\n\r\nonly this')
  t.after(() => stalled.destroy())
  for (const answer of await Promise.all(head)) assert.match(answer, /^HTTP\/1\.1 408 /)
  await sidecar.untilLogged(({ path, status, flags }) => path === '/stalled' && status === 408 && flags === 'SI', 'the body that stalled')
  void body.catch(() => undefined)
  const report = await load
  t.diagnostic(describe(report))
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'] })
  assert.equal(await sidecar.metric('istio_requests_total', 'response_code="408"', 'response_flags="DT"'), COUNT)
  assert.equal(sidecar.requests().filter(({ status, flags }) => status === 408 && flags === 'DT').length, COUNT)
})

test("without a header timeout a slow head ends after the stream's idle time, as in Envoy", async (t) => {
  const sidecar = await besideLoad(t, 1, { manager: { stream_idle_timeout: '0.5s' } })
  assert.match(await dribble(t, sidecar, 'GET /slow HTTP/1.1\r\nhost: echo\r\n\r\n'), /^HTTP\/1\.1 408 /)
  await sidecar.untilLogged(({ status, flags }) => status === 408 && flags === 'SI', 'the slow head')
  await sidecar.assertRecovered()
})

test('upstreams that answer octet by octet, or stop in the middle, are left in time', async (t) => {
  const timers = new Set<NodeJS.Timeout>()
  t.after(() => {
    for (const timer of timers) clearInterval(timer)
  })
  const port = await startOctets(t, (socket) => {
    let at = 0
    const answer = 'HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok'
    timers.add(setInterval(() => void (socket.writable && socket.write(answer[at++] ?? '')), 100))
  })
  const sidecar = await besideLoad(t, port, { odd: { timeout: '0.6s' } })
  const load = sidecar.load(2000)
  await sidecar.untilAnswered(50)
  const answers = await Promise.all(Array.from({ length: 20 }, () => fetch(`http://127.0.0.1:${sidecar.port}/odd`)))
  assert.deepEqual(
    new Set(answers.map(({ status }) => status)),
    new Set([504]),
    JSON.stringify(sidecar.requests().filter(({ path }) => path === '/odd')),
  )
  const report = await load
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'] })
  assert.equal(await sidecar.metric('istio_requests_total', 'response_code="504"', 'response_flags="UT"'), 20)
})

test('a response that stops in its body is cut after the idle time, so that the client sees that it is not whole', async (t) => {
  const port = await startOctets(t, (socket) => void socket.write('HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nonly this'))
  const sidecar = await besideLoad(t, port, { manager: { stream_idle_timeout: '4s' } })
  const load = sidecar.load(1500)
  const response = await fetch(`http://127.0.0.1:${sidecar.port}/odd`)
  assert.equal(response.status, 200)
  await assert.rejects(response.text())
  await sidecar.untilLogged(({ path, flags }) => path === '/odd' && flags === 'SI', 'the response that stopped')
  const report = await load
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'] })
})

const MEGABYTE = 'x'.repeat(1024 * 1024)

test('a megabyte of headers: 431 to a client, 502 for an upstream', async (t) => {
  const port = await startOctets(t, (socket) => void socket.write(`HTTP/1.1 200 OK\r\nx-filler: ${MEGABYTE}\r\ncontent-length: 0\r\n\r\n`))
  const sidecar = await besideLoad(t, port)
  const load = sidecar.load(1500)
  await sidecar.untilAnswered(50)
  for (let i = 0; i < 20; i++) {
    const client = net.connect({ host: sidecar.host, port: sidecar.port })
    let answer = ''
    client.on('error', () => undefined)
    client.on('data', (chunk) => {
      answer += String(chunk)
    })
    client.write(`GET /large HTTP/1.1\r\nhost: echo\r\nx-filler: ${MEGABYTE}\r\n\r\n`)
    await once(client, 'close')
    assert.match(answer, /^HTTP\/1\.1 431 /)
    assert.equal((await fetch(`http://127.0.0.1:${sidecar.port}/odd`)).status, 502)
  }
  const report = await load
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'] })
  assert.equal(await sidecar.metric('istio_requests_total', 'response_code="431"', 'response_flags="DPE"'), 20)
  assert.equal(await sidecar.metric('istio_requests_total', 'response_code="502"', 'response_flags="UPE"'), 20)
})
