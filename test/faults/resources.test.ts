// What the process itself runs out of, under load: descriptors, memory, time: docs/faults.md 5-7.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '../harness/wait.ts'
import { whatIsMissing } from './network.ts'
import { describe, startBackend, startSidecar } from './sidecar.ts'

/** Connections that are open, or were refused. */
function openMany(t: TestContext, port: number, count: number, first = ''): { readonly sockets: net.Socket[]; closeAll(): void } {
  const sockets = Array.from({ length: count }, () => {
    const socket = net.connect({ host: '127.0.0.1', port })
    socket.on('error', () => undefined)
    if (first !== '') socket.write(first)
    return socket
  })
  const closeAll = (): void => {
    for (const socket of sockets) socket.destroy()
  }
  t.after(closeAll)
  return { sockets, closeAll }
}

test('no descriptor is left: who is connected is served, others are refused and counted, and it ends by itself', {
  skip: whatIsMissing(),
}, async (t) => {
  const backend = await startBackend(t)
  const sidecar = await startSidecar(t, { upstream: { host: '127.0.0.1', port: backend.port }, under: ['prlimit', '--nofile=160:160'] })
  const load = sidecar.load(3000, 24)
  await sidecar.untilAnswered(200)
  const crowd = openMany(t, sidecar.port, 300)
  await sidecar.untilSaid('connections are refused')
  // The admin port still answers: some descriptors are kept for it, for upstreams and for logs.
  const refused = await sidecar.untilMetric(100, 'lateen_proxy_connections_refused_total', 'reason="descriptors"')
  crowd.closeAll()
  const report = await load
  t.diagnostic(describe(report))
  assert.ok((report.statuses[200] ?? 0) > 500, JSON.stringify(report))
  // Upstream connections that could not be opened: 503 UF. Nobody who was connected was cut.
  assert.deepEqual(report.broken, {})
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'], 503: ['UF'] })
  t.diagnostic(`${refused} connections were refused`)
})

test('memory near its limit: new connections are refused, requests are answered 503 OM, and it recovers', async (t) => {
  const backend = await startBackend(t)
  const plain = await startSidecar(t, { upstream: { host: '127.0.0.1', port: backend.port } })
  const warm = await plain.load(500)
  assert.equal(warm.statuses[200], warm.sent)
  const usual = await plain.metric('lateen_proxy_memory_bytes')
  await plain.ask('/quitquitquit', 'POST')
  const limit = Math.round(usual * 2.2)
  const sidecar = await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: backend.port },
    args: ['--max-memory', String(limit)],
    manager: { max_request_headers_kb: 96 },
  })
  // Clients in the middle of a head of 90 KiB: the proxy has to hold what it has. They are there before connections are refused.
  const crowd = openMany(t, sidecar.port, 800, 'GET / HTTP/1.1\r\nhost: echo\r\nx-filler: ')
  await sidecar.untilMetric(700, 'lateen_proxy_downstream_connections')
  const load = sidecar.load(6000, 64)
  await sidecar.untilAnswered(100)
  const waiting = [...crowd.sockets]
  const grown = async (): Promise<boolean> => {
    for (const socket of waiting.splice(0, 60)) socket.write('x'.repeat(85 * 1024))
    return (await sidecar.metric('lateen_proxy_overload_level')) >= 3
  }
  await waitFor(grown, { what: 'overload', while: () => sidecar.isAlive })
  await sidecar.untilAnswered(1, 503)
  crowd.closeAll()
  const report = await load
  const level = await waitFor(async () => (await sidecar.metric('lateen_proxy_overload_level')) <= 1, { what: 'the end of the overload' })
  t.diagnostic(`${Math.round(usual / 1e6)} MB usual, limit ${Math.round(limit / 1e6)} MB: ${describe(report)}`)
  assert.ok(level)
  const after = await sidecar.assertRecovered()
  t.diagnostic(describe(after))
  // A connection that is refused has sent nothing: to the load it is one that never opened, or that broke.
  const lines = sidecar.requests()
  assert.ok(lines.some(({ status, flags, details }) => status === 503 && flags === 'OM' && details === 'overload'))
  assert.deepEqual(new Set(Object.keys(report.statuses)), new Set(['200', '503']))
  assert.ok((await sidecar.metric('lateen_proxy_overload_changes_total', 'shedding-requests')) >= 1)
  await sidecar.untilSaid('memory is near its limit')
  await sidecar.untilSaid('memory is below its limit again')
})

test('the process stands still for two seconds: requests wait, none is lost, none is timed out for it', async (t) => {
  const backend = await startBackend(t)
  const sidecar = await startSidecar(t, { upstream: { host: '127.0.0.1', port: backend.port }, route: { timeout: '1s' } })
  const load = sidecar.load(5000, 1500)
  await sidecar.untilAnswered(200)
  process.kill(sidecar.pid, 'SIGSTOP')
  // The fault itself: two seconds of it.
  await delay(2000)
  process.kill(sidecar.pid, 'SIGCONT')
  const report = await load
  t.diagnostic(describe(report))
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'] })
  assert.ok(report.latencyMs.max >= 1500, 'it did stand still')
  assert.equal(await sidecar.metric('lateen_proxy_loop_stalls_total'), 1)
  assert.ok((await sidecar.metric('lateen_proxy_loop_stalled_seconds_total')) >= 1.5)
  await sidecar.untilSaid('the event loop stood still')
})

test('a mistake of the proxy itself is survived, said and counted', async (t) => {
  const backend = await startBackend(t)
  // The product has no way to provoke one: the test brings it in from outside.
  const bomb = "process.on('SIGUSR2', () => { throw new Error('provoked') })"
  const sidecar = await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: backend.port },
    nodeArgs: ['--import', `data:text/javascript,${encodeURIComponent(bomb)}`],
  })
  const load = sidecar.load(1500)
  await sidecar.untilAnswered(100)
  process.kill(sidecar.pid, 'SIGUSR2')
  await sidecar.untilMetric(1, 'lateen_proxy_unexpected_errors_total')
  const report = await load
  await sidecar.assertBooks([report], { 200: ['-'] })
  assert.match(await sidecar.untilSaid('unexpected failure'), /provoked/)
  const socket = net.connect({ host: '127.0.0.1', port: sidecar.port })
  await once(socket, 'connect')
  socket.destroy()
})
