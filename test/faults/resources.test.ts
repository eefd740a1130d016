// What the process itself runs out of, under load: descriptors, memory, time: docs/faults.md 6-8, 20.
import assert from 'node:assert/strict'
import net from 'node:net'
import { type TestContext, test } from 'node:test'
import { setTimeout as delay } from 'node:timers/promises'
import { waitFor } from '../harness/wait.ts'
import { startDrill } from './drill.ts'
import { sum } from './load.ts'
import { whatIsMissing } from './network.ts'
import { HTTP1, HTTP2, type Wire } from './wires.ts'

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

async function noDescriptor(t: TestContext, wire: Wire): Promise<void> {
  // 160: 88 for clients. The load's connections are among them and stay; the rest of the proxy's is for upstreams, logs and the admin port.
  const drill = await startDrill(t, { wire, lane: { connections: 16 }, sidecar: { under: ['prlimit', '--nofile=160:160'] } })
  const { load, sidecar } = drill
  await drill.allIsWell('before')
  await load.phase('fault')
  const crowd = openMany(t, sidecar.port, 300)
  // Of 300 at most 88 are taken.
  const refused = await sidecar.untilMetric((value) => value >= 300 - 88, 'lateen_proxy_connections_refused_total', 'reason="descriptors"')
  await sidecar.untilSaid('connections are refused')
  const most = await sidecar.metric('lateen_proxy_downstream_connections')
  assert.ok(most <= 88, `${most} connections were taken`)
  await drill.allIsWell('fault')
  crowd.closeAll()
  await sidecar.untilMetric((value) => value <= 16, 'lateen_proxy_downstream_connections')
  await load.phase('after')
  // Who comes now is taken again.
  assert.equal((await fetch(`http://127.0.0.1:${sidecar.port}/well/direct`)).status, 200)
  await drill.allIsWell('after')
  // The load's own further connections are refused as well: each is a request of it at most.
  await drill.finish({ 'well/fault': { 200: ['-'], 0: [] } })
  const all = await sidecar.metric('lateen_proxy_connections_refused_total', 'reason="descriptors"')
  assert.ok(all >= refused && sum(load.counts('well', 'fault').broken) <= all - (300 - 88), `${all} refused: ${load.describe()}`)
}

for (const wire of [HTTP1, HTTP2]) {
  const title = `${wire.name}: no descriptor is left: who is connected is served, others are refused and counted, and it ends by itself`
  test(title, { skip: whatIsMissing() }, (t) => noDescriptor(t, wire))
}

/** What the process needs with nothing to do but the load. */
async function usualBytes(t: TestContext, wire: Wire): Promise<number> {
  const drill = await startDrill(t, { wire })
  await drill.allIsWell('before')
  await drill.load.stop()
  const bytes = await drill.sidecar.metric('lateen_proxy_memory_bytes')
  drill.sidecar.process.kill('SIGKILL')
  return bytes
}

async function nearLimit(t: TestContext, wire: Wire): Promise<void> {
  const usual = await usualBytes(t, wire)
  const limit = Math.round(usual * 2.2)
  const drill = await startDrill(t, {
    wire,
    lane: { connections: 64 },
    sidecar: { args: ['--max-memory', String(limit)], manager: { max_request_headers_kb: 96 } },
  })
  const { load, sidecar } = drill
  // Clients in the middle of a head of 90 KiB: the proxy has to hold what it has. They are there before connections are refused.
  const crowd = openMany(t, sidecar.port, 800, 'GET / HTTP/1.1\r\nhost: echo\r\nx-filler: ')
  await sidecar.untilMetric((value) => value >= 800, 'lateen_proxy_downstream_connections')
  await drill.allIsWell('before')
  await load.phase('fault')
  const waiting = [...crowd.sockets]
  const grown = async (): Promise<boolean> => {
    for (const socket of waiting.splice(0, 60)) socket.write('x'.repeat(85 * 1024))
    return (await sidecar.metric('lateen_proxy_overload_level')) >= 3
  }
  await waitFor(grown, { what: 'overload', timeoutMs: 60_000, while: () => sidecar.isAlive })
  await load.until({ lane: 'well', phase: 'fault', status: 503, least: 1 })
  // Who comes new is not taken.
  openMany(t, sidecar.port, 5)
  await sidecar.untilMetric((value) => value >= 1, 'lateen_proxy_connections_refused_total', 'reason="memory"')
  await load.phase('mend')
  crowd.closeAll()
  await sidecar.untilMetric((value) => value === 0, 'lateen_proxy_overload_level')
  await load.phase('recovering')
  await drill.allIsWell('recovering')
  await load.phase('after')
  await drill.allIsWell('after')
  await load.stop()
  t.diagnostic(`${Math.round(usual / 1e6)} MB usual, limit ${Math.round(limit / 1e6)} MB: ${load.describe()}`)
  for (const phase of ['before', 'after']) {
    const { sent, statuses } = load.counts('well', phase)
    if (phase === 'after') assert.deepEqual(statuses, { 200: sent })
  }
  // Requests are answered 200 or 503 OM; connections that were refused have sent nothing that was read.
  const others = sidecar.requests().filter(({ status, flags }) => !(status === 200 && flags === '-') && flags !== 'OM' && flags !== 'DC')
  assert.deepEqual(others, [])
  const shed = sidecar.requests().filter(({ status, flags, details }) => status === 503 && flags === 'OM' && details === 'overload')
  const heard = load.phases('well').reduce((total, [, { statuses }]) => total + (statuses[503] ?? 0), 0)
  assert.ok(shed.length >= heard && heard >= 1, `${shed.length} shed, ${heard} heard of it`)
  assert.equal(await sidecar.metric('istio_requests_total', 'response_code="503"', 'response_flags="OM"'), shed.length)
  // A connection that broke was one that was refused, or closed because it was idle, or with its 503.
  const broken = load.phases('well').reduce((total, [, counts]) => total + sum(counts.broken), 0)
  const refused = await sidecar.metric('lateen_proxy_connections_refused_total', 'reason="memory"')
  assert.ok(broken <= refused + shed.length, `${broken} broken, ${refused} refused, ${shed.length} shed`)
  for (const level of ['shedding-requests', 'normal'])
    assert.ok((await sidecar.metric('lateen_proxy_overload_changes_total', `level="${level}"`)) >= 1, level)
  await sidecar.untilSaid('memory is near its limit')
  await sidecar.untilSaid('memory is below its limit again')
  await drill.assertSound()
}

for (const wire of [HTTP1, HTTP2]) {
  const title = `${wire.name}: memory near its limit: new connections are refused, requests are answered 503 OM, and it recovers`
  test(title, (t) => nearLimit(t, wire))
}

const STALL_MS = 2000

async function standsStill(t: TestContext, wire: Wire): Promise<void> {
  // Both deadlines are over while it stands still; neither is judged before what came meanwhile is read.
  const drill = await startDrill(t, {
    wire,
    lane: { connections: 448 },
    well: { route: { timeout: `${STALL_MS / 1000}s` } },
  })
  const { load, sidecar } = drill
  await drill.allIsWell('before')
  const [stalls, seconds] = [
    await sidecar.metric('lateen_proxy_loop_stalls_total'),
    await sidecar.metric('lateen_proxy_loop_stalled_seconds_total'),
  ]
  const underWay = (await load.phase('fault')).well ?? 0
  process.kill(sidecar.pid, 'SIGSTOP')
  // The fault itself: two seconds of it.
  await delay(STALL_MS)
  const { answered, sent } = load.counts('well', 'fault')
  process.kill(sidecar.pid, 'SIGCONT')
  assert.ok(sent > answered, 'it did stand still: requests wait')
  await sidecar.untilMetric((value) => value > stalls, 'lateen_proxy_loop_stalls_total')
  assert.ok((await sidecar.metric('lateen_proxy_loop_stalled_seconds_total')) - seconds >= (STALL_MS - 750) / 1000)
  await sidecar.untilSaid('the event loop stood still')
  await drill.allIsWell('fault')
  await load.phase('after')
  await drill.allIsWell('after')
  // Whose deadline passed meanwhile is answered all the same, as far as the application answered: on a starved machine not all of it.
  await drill.finish({ 'well/before': { 200: ['-'], 504: ['UT'] } })
  assert.ok((load.counts('well', 'before').statuses[504] ?? 0) <= underWay / 2, load.describe())
}

for (const wire of [HTTP1, HTTP2]) {
  const title = `${wire.name}: the process stands still for two seconds: requests wait, none is lost, none is timed out for it`
  test(title, (t) => standsStill(t, wire))
}

test('a mistake of the proxy itself is survived, said and counted', async (t) => {
  // The product has no way to provoke one: the test brings it in from outside.
  const bomb = "process.on('SIGUSR2', () => { throw new Error('provoked') })"
  const drill = await startDrill(t, { sidecar: { nodeArgs: ['--import', `data:text/javascript,${encodeURIComponent(bomb)}`] } })
  const { load, sidecar } = drill
  await drill.allIsWell('before')
  await load.phase('fault')
  process.kill(sidecar.pid, 'SIGUSR2')
  await sidecar.untilMetric((value) => value === 1, 'lateen_proxy_unexpected_errors_total')
  assert.match(await sidecar.untilSaid('unexpected failure'), /provoked/)
  await drill.allIsWell('fault')
  await load.phase('after')
  await drill.allIsWell('after')
  await drill.finish({}, 1)
})
