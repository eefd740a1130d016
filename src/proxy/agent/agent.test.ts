// The agent's ports over real sockets, with an application that tells from where it was called.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createServer, type IncomingMessage, request, type Server } from 'node:http'
import { createServer as createSecureServer } from 'node:https'
import { type AddressInfo, connect, createServer as createTcpServer } from 'node:net'
import { networkInterfaces } from 'node:os'
import { type TestContext, test } from 'node:test'
import { Server as GrpcServer, ServerCredentials } from '@grpc/grpc-js'
import { TestCa } from '../../../test/harness/certificates.ts'
import { freePorts } from '../../../test/harness/ports.ts'
import { systemClock } from '../../base/clock.ts'
import { silentLogger } from '../../base/log.ts'
import type { AgentSettings } from '../../envoy/agent-settings.ts'
import { MetricRegistry } from '../telemetry/metrics.ts'
import { startAgentServers } from './agent-servers.ts'

const OWN_SERIES = 'lateen_proxy_ready'

async function startAgent(t: TestContext, settings: Partial<AgentSettings>) {
  const [statusPort = 0, healthPort = 0, prometheusPort = 0] = await freePorts(3)
  const registry = new MetricRegistry()
  registry.observe('gauge', OWN_SERIES, '1 when a complete configuration runs.', () => [{ value: 1 }])
  const calls: string[] = []
  const readiness = { ready: true, reason: 'LIVE' }
  const servers = await startAgentServers({
    settings: { statusPort, healthPort, prometheusPort, probes: {}, ...settings },
    podAddress: '127.0.0.1',
    readiness: () => readiness,
    collect: () => Promise.resolve(),
    families: () => registry.families,
    drain: () => void calls.push('drain'),
    quit: () => void calls.push('quit'),
    clock: systemClock,
    log: silentLogger,
  })
  t.after(() => servers.close())
  return { statusPort, healthPort, prometheusPort, readiness, calls }
}

interface Heard {
  readonly status: number
  readonly body: string
  readonly headers: IncomingMessage['headers']
}

function ask(
  port: number,
  path: string,
  options: { method?: string; host?: string; headers?: Record<string, string> } = {},
): Promise<Heard> {
  const { method = 'GET', host = '127.0.0.1', headers = {} } = options
  return new Promise((resolve, reject) => {
    const call = request({ host, port, path, method, headers, agent: false }, async (response) => {
      let body = ''
      for await (const chunk of response) body += String(chunk)
      resolve({ status: response.statusCode ?? 0, body, headers: response.headers })
    })
    call.on('error', reject)
    call.end()
  })
}

async function startApplication(t: TestContext, server: Server): Promise<number> {
  server.listen(0, '0.0.0.0')
  await once(server, 'listening')
  t.after(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

test('readiness is answered on the status and the health port, with the reason', async (t) => {
  const agent = await startAgent(t, {})
  for (const port of [agent.statusPort, agent.healthPort]) {
    const live = await ask(port, '/healthz/ready')
    assert.deepEqual([live.status, live.body], [200, 'LIVE\n'])
  }
  Object.assign(agent.readiness, { ready: false, reason: 'no certificate yet: UNAVAILABLE' })
  const waiting = await ask(agent.healthPort, '/healthz/ready')
  assert.deepEqual([waiting.status, waiting.body], [503, 'no certificate yet: UNAVAILABLE\n'])
  assert.equal((await ask(agent.healthPort, '/stats/prometheus')).status, 404)
})

test('a startup probe is held back until the proxy is ready, and no longer than it says', async (t) => {
  const agent = await startAgent(t, {})
  Object.assign(agent.readiness, { ready: false, reason: 'no certificate yet' })
  assert.equal((await ask(agent.healthPort, '/healthz/ready?wait=50')).status, 503)
  const held = ask(agent.healthPort, '/healthz/ready?wait=9000')
  assert.equal((await ask(agent.healthPort, '/healthz/ready')).status, 503, 'who does not say that he waits has his answer')
  Object.assign(agent.readiness, { ready: true, reason: 'LIVE' })
  assert.equal((await held).status, 200)
})

test('an HTTP probe reaches the application from 127.0.0.6, with its headers, and its answer comes back as it is', async (t) => {
  const seen: IncomingMessage[] = []
  const port = await startApplication(
    t,
    createServer((request, response) => {
      seen.push(request)
      response.writeHead(request.url === '/live?full=1' ? 200 : 418, { 'content-type': 'text/x-mine' }).end(request.socket.remoteAddress)
    }),
  )
  const httpHeaders = [
    { name: 'X-Probe', value: 'a' },
    { name: 'Host', value: 'web.local' },
  ]
  const agent = await startAgent(t, {
    probes: {
      '/app-health/web/livez': { httpGet: { port, path: '/live?full=1', httpHeaders } },
      '/app-health/web/readyz': { httpGet: { port, path: 'other' } },
    },
  })
  const live = await ask(agent.statusPort, '/app-health/web/livez', { headers: { 'user-agent': 'kube-probe/1.34' } })
  assert.deepEqual([live.status, live.body, live.headers['content-type']], [200, '127.0.0.6', 'text/x-mine'])
  assert.deepEqual(
    [seen[0]?.headers.host, seen[0]?.headers['x-probe'], seen[0]?.headers['user-agent']],
    ['web.local', 'a', 'kube-probe/1.34'],
  )
  assert.equal((await ask(agent.statusPort, '/app-health/web/readyz')).status, 418)
  assert.equal(seen[1]?.url, '/other')
  assert.equal((await ask(agent.statusPort, '/app-health/web/startupz')).status, 404)
})

test('redirects are followed within the host only; to another host they are the answer', async (t) => {
  const port = await startApplication(
    t,
    createServer((request, response) => {
      if (request.url === '/here') response.writeHead(302, { location: '/there' }).end()
      else if (request.url === '/away') response.writeHead(301, { location: 'http://example.invalid/' }).end()
      else response.end('found')
    }),
  )
  const agent = await startAgent(t, {
    probes: {
      '/app-health/web/livez': { httpGet: { port, path: '/here' } },
      '/app-health/web/readyz': { httpGet: { port, path: '/away' } },
    },
  })
  assert.equal((await ask(agent.statusPort, '/app-health/web/livez')).body, 'found')
  const away = await ask(agent.statusPort, '/app-health/web/readyz')
  assert.deepEqual([away.status, away.headers.location], [301, undefined])
})

test('an HTTPS probe takes any certificate', async (t) => {
  const { chainPem, keyPem } = new TestCa().issue({ dns: 'somebody.else' })
  const port = await startApplication(
    t,
    createSecureServer({ cert: chainPem, key: keyPem }, (_, response) => response.end('secure')),
  )
  const agent = await startAgent(t, { probes: { '/app-health/web/livez': { httpGet: { port, scheme: 'HTTPS' } } } })
  assert.deepEqual((await ask(agent.statusPort, '/app-health/web/livez')).body, 'secure')
})

test('a probe that gets no answer in time, or no connection, fails with the reason', async (t) => {
  const port = await startApplication(
    t,
    createServer(() => undefined),
  )
  const [closed = 0] = await freePorts(1)
  const agent = await startAgent(t, {
    probes: {
      '/app-health/web/livez': { httpGet: { port }, timeoutSeconds: 0.1 },
      '/app-health/web/readyz': { tcpSocket: { port: closed } },
    },
  })
  const late = await ask(agent.statusPort, '/app-health/web/livez')
  assert.deepEqual([late.status, late.body], [500, 'no answer within 100 ms\n'])
  const refused = await ask(agent.statusPort, '/app-health/web/readyz')
  assert.equal(refused.status, 500)
  assert.match(refused.body, /ECONNREFUSED/)
})

test('a TCP probe only connects', async (t) => {
  const server = createTcpServer((socket) => socket.end())
  server.listen(0)
  await once(server, 'listening')
  t.after(() => server.close())
  const { port } = server.address() as AddressInfo
  const agent = await startAgent(t, { probes: { '/app-health/db/livez': { tcpSocket: { port } } } })
  assert.equal((await ask(agent.statusPort, '/app-health/db/livez')).status, 200)
})

test('a gRPC probe asks for the health of the service that it names', async (t) => {
  const status: Record<string, number> = { '': 1, orders: 2 }
  const server = new GrpcServer()
  const bytes = { requestSerialize: (value: Buffer) => value, responseSerialize: (value: Buffer) => value }
  const method = { path: '/grpc.health.v1.Health/Check', requestStream: false, responseStream: false, ...bytes }
  server.addService(
    { check: { ...method, requestDeserialize: (value: Buffer) => value, responseDeserialize: (value: Buffer) => value } },
    {
      check: (call: { readonly request: Buffer }, done: (error: object | null, answer?: Buffer) => void) => {
        const found = status[call.request.subarray(2).toString()]
        if (found === undefined) done({ code: 5, details: 'no such service' })
        else done(null, Buffer.from([0x08, found]))
      },
    },
  )
  const port = await new Promise<number>((resolve, reject) =>
    server.bindAsync('127.0.0.1:0', ServerCredentials.createInsecure(), (error, bound) =>
      error === null ? resolve(bound) : reject(error),
    ),
  )
  t.after(() => server.forceShutdown())
  const agent = await startAgent(t, {
    probes: {
      '/app-health/a/livez': { grpc: { port } },
      '/app-health/a/readyz': { grpc: { port, service: 'orders' } },
      '/app-health/a/startupz': { grpc: { port, service: 'unknown' } },
    },
  })
  assert.equal((await ask(agent.statusPort, '/app-health/a/livez')).status, 200)
  const notServing = await ask(agent.statusPort, '/app-health/a/readyz')
  assert.deepEqual([notServing.status, notServing.body], [500, 'the service is NOT_SERVING\n'])
  assert.match((await ask(agent.statusPort, '/app-health/a/startupz')).body, /NOT_FOUND: no such service/)
})

test("metrics of proxy and application are one answer; the Prometheus port has the proxy's alone", async (t) => {
  const port = await startApplication(
    t,
    createServer((request, response) => {
      if (request.url === '/broken') response.writeHead(500).end('x 1\n')
      else if (request.url === '/more') response.end('more_total 2\n# EOF\n')
      else response.end(`app_total{from="${request.socket.remoteAddress}"} 1`)
    }),
  )
  const targets = [
    { port, path: '/broken' },
    { port, path: '/more' },
  ]
  const agent = await startAgent(t, { scrape: { port, targets } })
  const { status, body, headers } = await ask(agent.statusPort, '/stats/prometheus')
  assert.equal(status, 200)
  assert.match(headers['content-type'] ?? '', /text\/plain; version=0.0.4/)
  assert.ok(body.startsWith('# HELP lateen_proxy_ready '), body)
  assert.ok(body.endsWith('app_total{from="127.0.0.6"} 1\nmore_total 2\n'), body)
  const own = await ask(agent.prometheusPort, '/stats/prometheus')
  assert.doesNotMatch(own.body, /app_total/)
  assert.match(own.body, /lateen_proxy_ready 1/)
})

test("more than 10 MiB of the application's metrics are cut at a line", async (t) => {
  const line = `big_total{padding="${'x'.repeat(1000)}"} 1\n`
  const port = await startApplication(
    t,
    createServer((_, response) => response.end(line.repeat(11_000))),
  )
  const agent = await startAgent(t, { scrape: { port } })
  const { body } = await ask(agent.statusPort, '/metrics')
  const application = body.slice(body.indexOf('big_total'))
  assert.ok(application.length <= 10 * 1024 * 1024 && application.length > 10 * 1024 * 1024 - line.length - 1)
  assert.ok(application.endsWith(line))
})

test('drain and quit are for this pod, by POST', async (t) => {
  const agent = await startAgent(t, {})
  assert.equal((await ask(agent.statusPort, '/drain')).status, 405)
  assert.equal((await ask(agent.statusPort, '/drain', { method: 'POST', headers: { origin: 'http://evil.example' } })).status, 403)
  assert.equal((await ask(agent.statusPort, '/drain', { method: 'POST' })).status, 200)
  assert.equal((await ask(agent.statusPort, '/quitquitquit', { method: 'POST' })).status, 200)
  const outside = Object.values(networkInterfaces())
    .flatMap((each) => each ?? [])
    .find(({ family, internal }) => family === 'IPv4' && !internal)
  if (outside !== undefined)
    assert.equal((await ask(agent.statusPort, '/quitquitquit', { method: 'POST', host: outside.address })).status, 403)
  assert.deepEqual(agent.calls, ['drain', 'quit'])
})

test('a client that sends no request is cut off', async (t) => {
  const agent = await startAgent(t, {})
  const socket = connect(agent.statusPort, '127.0.0.1')
  socket.write('GET /healthz/ready HTTP/1.1\r\n')
  socket.resume()
  await once(socket, 'close')
})
