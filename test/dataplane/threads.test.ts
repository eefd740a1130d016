// Several data threads behave as one proxy: they share the port, the numbers are sums, a change reaches all, and one that dies is replaced.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import tls from 'node:tls'
import { anyOf } from '../../src/proxy/config/resources.fixture.ts'
import type { ThreadedDataPlane } from '../../src/proxy/threads/threaded-data-plane.ts'
import { TestCa } from '../harness/certificates.ts'
import { type LoadReport, runLoad } from '../harness/load.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor, waitForHttp } from '../harness/wait.ts'
import { resourcesOf, type Site, setUpSite, siteBootstrap, startPlane, withListeners } from './threads.fixture.ts'

const CONNECTIONS = 64

function load(port: number, durationMs: number, target = '/x'): Promise<LoadReport> {
  const method = 'GET'
  return runLoad({ host: '127.0.0.1', port, connections: CONNECTIONS, durationMs, method, path: target, headers: { host: 'h' } })
}

const total = (report: LoadReport): number => Object.values(report.statuses).reduce((sum, count) => sum + count, 0)

async function requestsCounted(plane: ThreadedDataPlane): Promise<number> {
  await plane.collect()
  const family = [...plane.families()].find(({ name }) => name === 'istio_requests_total')
  return [...(family?.samples() ?? [])].reduce((sum, { value }) => sum + value, 0)
}

function get(port: number, target: string): Promise<{ readonly status: number; readonly body: string }> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, path: target, agent: false }, (response) => {
      let body = ''
      response.on('data', (chunk) => {
        body += String(chunk)
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body }))
    })
    request.on('error', reject)
  })
}

test('both threads serve, and their counts and log lines add up to the requests that were sent', async (t) => {
  const site = await setUpSite(t)
  const { plane, apply } = startPlane(t)
  assert.deepEqual(await apply(resourcesOf(siteBootstrap(site))), [])

  // Held open until they are counted: a load may be over before a busy machine comes to the counting.
  const held = Array.from({ length: CONNECTIONS }, () => net.connect(site.port, '127.0.0.1'))
  t.after(() => held.forEach((socket) => void socket.destroy()))
  const spread = await waitFor(
    async () => {
      await plane.collect()
      const connections = plane.connectionsByThread()
      return connections.reduce((sum, each) => sum + each, 0) === CONNECTIONS ? connections : undefined
    },
    { what: 'all connections' },
  )
  for (const socket of held) socket.destroy()
  const report = await load(site.port, 1000)

  assert.equal(spread.length, 2)
  assert.ok(
    spread.every((connections) => connections > 0),
    `connections per thread: ${spread.join(', ')}`,
  )
  assert.deepEqual(report.statuses, { 200: report.sent })
  assert.equal(await requestsCounted(plane), report.sent)
  assert.equal(plane.clusterStatus()[0]?.endpoints[0]?.totalRequests, report.sent)
  await plane.finish()
  const lines = site.lines()
  assert.equal(lines.length, report.sent)
  assert.deepEqual(new Set(lines), new Set(['/x 200 END']))
})

test('a change reaches every thread, and no request fails for it', async (t) => {
  const site = await setUpSite(t)
  const { plane, apply } = startPlane(t)
  const before = resourcesOf(siteBootstrap(site))
  await apply(before)
  const running = load(site.port, 1500)
  await waitFor(async () => (await requestsCounted(plane)) > 100, { what: 'the load' })

  for (const body of ['two', 'three']) {
    assert.deepEqual(await apply(withListeners(before, resourcesOf(siteBootstrap({ ...site, body })))), [])
    // New connections: the kernel deals them to both threads.
    const answers = await Promise.all(Array.from({ length: 32 }, () => get(site.port, '/local')))
    assert.deepEqual(new Set(answers.map((answer) => answer.body)), new Set([body]))
  }
  const report = await running
  assert.deepEqual([report.broken, report.statuses], [{}, { 200: report.sent }])
})

test('a thread that dies is replaced with the configuration in force, and the others go on', async (t) => {
  const site = await setUpSite(t)
  const { plane, apply, log } = startPlane(t)
  const before = resourcesOf(siteBootstrap(site))
  await apply(before)
  await apply(withListeners(before, resourcesOf(siteBootstrap({ ...site, body: 'two' }))))
  const sockets = await Promise.all(Array.from({ length: CONNECTIONS }, () => openConnection(t, site.port)))
  await waitFor(
    async () => {
      await plane.collect()
      return plane.connectionsByThread().reduce((sum, each) => sum + each, 0) === CONNECTIONS
    },
    { what: 'all connections' },
  )
  const [ofFirst = 0, ofSecond = 0] = plane.connectionsByThread()
  const first = await load(site.port, 200)
  const counted = await requestsCounted(plane)

  assert.equal(counted, first.sent)
  await plane.killThread(0)
  await waitFor(() => sockets.filter((socket) => socket.closed).length === ofFirst, { what: 'the cut of the dead thread' })
  assert.equal(sockets.filter((socket) => !socket.closed).length, ofSecond)
  assert.equal(plane.replaced, 1)
  assert.match(log.join('\n'), /a data thread died and is replaced/)

  // The replacement is seen by its connections: they come only once it listens.
  await waitFor(
    async () => {
      const answers = await Promise.all(Array.from({ length: 16 }, () => get(site.port, '/local')))
      assert.deepEqual(new Set(answers.map(({ body }) => body)), new Set(['two']))
      await openConnection(t, site.port)
      await plane.collect()
      return (plane.connectionsByThread()[0] ?? 0) > 0
    },
    { what: 'the replacement' },
  )
  assert.ok((await requestsCounted(plane)) >= counted + 16, 'counters never fall')
  const report = await load(site.port, 300)
  assert.deepEqual([report.broken, report.statuses], [{}, { 200: total(report) }])
})

test('the limits of a cluster are those of the proxy, not of each thread', async (t) => {
  const site = await setUpSite(t)
  const holding: net.Socket[] = []
  const upstream = net.createServer((socket) => void holding.push(socket.on('error', () => undefined)))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    for (const socket of holding) socket.destroy()
    upstream.close()
  })
  const address = upstream.address()
  const upstreamPort = typeof address === 'object' && address !== null ? address.port : 0
  const { apply } = startPlane(t)
  await apply(resourcesOf(siteBootstrap({ ...site, upstreamPort, maxRequests: 10 })))

  const held: Promise<unknown>[] = []
  for (let sent = 1; sent <= 10; sent++) {
    held.push(get(site.port, '/held').catch(() => undefined))
    await waitFor(() => holding.length === sent, { what: `request ${sent} at the upstream` })
  }
  const answers = await Promise.all(Array.from({ length: 16 }, () => get(site.port, '/more')))
  assert.deepEqual(new Set(answers.map(({ status }) => status)), new Set([503]))
  assert.equal(holding.length, 10)
})

test('a port that is taken is one problem, also when whoever has it would share it', async (t) => {
  const site = await setUpSite(t)
  for (const reusePort of [false, true]) {
    const other = net.createServer()
    t.after(() => other.close())
    await new Promise<void>((resolve) => other.listen({ port: site.port, host: '127.0.0.1', reusePort }, resolve))
    const { apply } = startPlane(t)
    const resources = resourcesOf(siteBootstrap(site))
    const problems = await apply(resources)
    assert.equal(problems.length, 1)
    assert.match(problems[0]?.message ?? '', /listener main: 127\.0\.0\.1:\d+ is in use by another program/)
    await new Promise((resolve) => other.close(resolve))
    assert.deepEqual(await apply(resources), [])
    assert.equal((await get(site.port, '/local')).status, 200)
    const next = await setUpSite(t)
    Object.assign(site, { port: next.port })
  }
})

test('a certificate that changes is used by every thread, and by new connections only', async (t) => {
  const site = await setUpSite(t)
  const ca = new TestCa()
  const chain = path.join(site.folder, 'chain.pem')
  const key = path.join(site.folder, 'key.pem')
  const write = (dns: string): void => {
    const issued = ca.issue({ dns })
    writeFileSync(chain, issued.chainPem)
    writeFileSync(key, issued.keyPem)
  }
  write('old.example')
  const transportSocket = {
    name: 'tls',
    typed_config: anyOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
      common_tls_context: { tls_certificates: [{ certificate_chain: { filename: chain }, private_key: { filename: key } }] },
    }),
  }
  const { apply, secrets } = startPlane(t)
  assert.deepEqual(await apply(resourcesOf(siteBootstrap({ ...site, transportSocket }))), [])
  assert.deepEqual(await namesPresented(site.port), new Set(['DNS:old.example']))
  write('new.example')
  secrets.reload()
  await waitFor(async () => (await namesPresented(site.port)).has('DNS:new.example'), { what: 'the new certificate' })
  assert.deepEqual(await namesPresented(site.port), new Set(['DNS:new.example']))
})

/** By 32 connections, which the kernel deals to both threads. */
async function namesPresented(port: number): Promise<ReadonlySet<string | undefined>> {
  const names = Array.from({ length: 32 }, async () => {
    const socket = tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false })
    await once(socket, 'secureConnect')
    const names = socket.getPeerCertificate().subjectaltname
    socket.destroy()
    return names
  })
  return new Set(await Promise.all(names))
}

function openConnection(t: TestContext, port: number): Promise<net.Socket> {
  const socket = net.connect({ port, host: '127.0.0.1' })
  socket.on('error', () => undefined)
  // Without a reader the end of the connection would not be seen.
  socket.resume()
  t.after(() => socket.destroy())
  return new Promise((resolve) => socket.once('connect', () => resolve(socket)))
}

async function startProgram(t: TestContext, site: Site & { readonly folder: string }, stdio: 'pipe' | 'ignore') {
  const [admin = 0] = await freePorts(1)
  const file = path.join(site.folder, 'bootstrap.json')
  const address = { socket_address: { address: '127.0.0.1', port_value: admin } }
  writeFileSync(file, JSON.stringify(siteBootstrap(site, { admin: { address } })))
  const program = path.resolve(import.meta.dirname, '../../src/bin/lateen.ts')
  const args = [program, 'proxy', '-c', file, '--concurrency', '2', '--log-level', 'warn']
  const child: ChildProcess = spawn(process.execPath, args, { stdio: ['ignore', stdio, 'inherit'] })
  t.after(() => child.kill('SIGKILL'))
  let output = ''
  child.stdout?.on('data', (chunk) => {
    output += String(chunk)
  })
  await waitForHttp(`http://127.0.0.1:${admin}/ready`, { what: 'the proxy' })
  return { child, admin, output: () => output }
}

test('the program serves with two threads, tells the sums, and writes whole lines to one standard output', async (t) => {
  const site = { ...(await setUpSite(t)), logFile: 'stdout' }
  const { child, admin, output } = await startProgram(t, site, 'pipe')
  const report = await load(site.port, 500)
  const stats = (await get(admin, '/stats/prometheus')).body
  const counted = [...stats.matchAll(/^istio_requests_total\{.*\} (\d+)$/gm)].reduce((sum, [, value]) => sum + Number(value), 0)
  assert.equal(counted, report.sent)
  assert.equal(stats.match(/^# TYPE istio_requests_total /gm)?.length, 1)
  assert.match(stats, /^istio_build\{component="proxy",tag="[^"]+"\} 1$/m)
  assert.equal(stats.match(/^lateen_proxy_thread_connections\{/gm)?.length, 2)
  assert.match((await get(admin, '/clusters')).body, new RegExp(`rq_total::${report.sent}\\n`))
  child.kill('SIGTERM')
  assert.deepEqual(await once(child, 'close'), [0, null])
  const lines = output().split('\n').slice(0, -1)
  assert.equal(lines.length, report.sent)
  assert.deepEqual(new Set(lines), new Set(['/x 200 END']))
})

test('SIGTERM lets both threads finish what is under way, and every line is written', async (t) => {
  const site = await setUpSite(t)
  const held: http.ServerResponse[] = []
  const upstream = http.createServer((_request, response) => void held.push(response))
  await new Promise<void>((resolve) => upstream.listen(0, '127.0.0.1', resolve))
  t.after(() => {
    upstream.closeAllConnections()
    upstream.close()
  })
  const address = upstream.address()
  const upstreamPort = typeof address === 'object' && address !== null ? address.port : 0
  const { child } = await startProgram(t, { ...site, upstreamPort }, 'ignore')
  const answers = Array.from({ length: CONNECTIONS }, () => get(site.port, '/slow'))
  await waitFor(() => held.length === CONNECTIONS, { what: 'all requests at the upstream' })

  child.kill('SIGTERM')
  const exit = once(child, 'exit')
  const late = await get(site.port, '/local')
  for (const response of held) response.end('done')
  const statuses = (await Promise.all(answers)).map(({ status }) => status)

  assert.equal(late.status, 200)
  assert.deepEqual(new Set(statuses), new Set([200]))
  assert.deepEqual(await exit, [0, null])
  assert.equal(site.lines().filter((line) => line === '/slow 200 END').length, CONNECTIONS)
})
