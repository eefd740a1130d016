// An upstream that dies, hangs, falls silent on the network, or misbehaves, on every wire: docs/faults.md 1-4, 15-17.
// One proxy per wire has to stand all of it, one fault after the other, under one load that never pauses.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { type TestContext, test } from 'node:test'
import { type Drill, startDrill } from './drill.ts'
import { type LinkedNamespace, linkedNamespace, whatIsMissing } from './network.ts'
import { fallSick, SICK_UPSTREAMS } from './sick-upstreams.ts'
import type { LoggedRequest } from './sidecar.ts'
import { HTTP1, HTTP2, MUTUAL_HTTP2, WIRES, type Wire } from './wires.ts'

/** Longer than a busy machine makes a request wait. */
const ROUTE_TIMEOUT_MS = 1500
const CONNECT_TIMEOUT_MS = 1000
const SICK = {
  route: { timeout: `${ROUTE_TIMEOUT_MS / 1000}s` },
  cluster: { connect_timeout: `${CONNECT_TIMEOUT_MS / 1000}s` },
}

/** Milliseconds that the proxy says it took, of the middle one. */
function median(drill: Drill, phase: string, flags: string): number {
  const lines = drill.sidecar.requests().filter((request) => request.path === `/sick/${phase}` && request.flags === flags)
  return lines.map(({ durationMs }) => durationMs).sort((a, b) => a - b)[Math.floor(lines.length / 2)] ?? Number.NaN
}

async function killed(drill: Drill): Promise<void> {
  const failures = () => drill.sidecar.metric('lateen_proxy_upstream_connect_failures_total', 'cluster="sick"')
  const before = await failures()
  await drill.during({
    name: 'killed',
    inject: () => drill.backend.kill(),
    until: 503,
    mend: () => drill.backend.restart(),
    answers: { 503: ['UF'] },
    underWay: { 503: ['UF', 'UC'], 504: ['UT'] },
  })
  assert.ok(median(drill, 'killed-fault', 'UF') < CONNECT_TIMEOUT_MS, 'a refused connection is answered at once')
  assert.ok((await failures()) > before)
}

async function hung(drill: Drill): Promise<void> {
  await drill.during({
    name: 'hung',
    inject: () => drill.backend.stop(),
    until: 504,
    mend: () => drill.backend.go(),
    answers: { 504: ['UT'] },
    // Who comes new waits for the handshake of TLS, which nobody makes.
    underWay: { 503: ['UF'] },
  })
  const tookMs = median(drill, 'hung-fault', 'UT')
  assert.ok(tookMs >= ROUTE_TIMEOUT_MS - 1 && tookMs < 2 * ROUTE_TIMEOUT_MS, `answered after ${tookMs} ms`)
}

for (const wire of WIRES) {
  test(`${wire.name}, under 500 requests a second:`, async (t) => {
    // A handshake that nobody makes is to end by the timeout of the route.
    const drill = await startDrill(t, { wire, sick: { ...SICK, cluster: { connect_timeout: '5s' } } })
    await t.test('an upstream that is killed: 503 at once, and 200 as soon as it is back', () => killed(drill))
    await t.test('an upstream that hangs: 504 when the route says so, and 200 when it goes on', () => hung(drill))
    // What an upstream does wrong in its octets is the same below TLS.
    const rows = wire.tls ? [] : SICK_UPSTREAMS.filter(({ protocol }) => protocol === wire.protocol)
    for (const row of rows) await t.test(`an upstream that ${row.title}`, () => fallSick(t, drill, row))
    await t.test('no request is lost from the books, the metrics tell what the log tells, and the process is the same', async () => {
      await drill.finish()
      await drill.assertMetricsTellTheLog()
      assert.equal(await drill.sidecar.metric('lateen_proxy_upstream_connect_failures_total', 'cluster="well"'), 0)
    })
  })
}

function failedToConnect({ path, flags, details }: LoggedRequest): boolean {
  return path.startsWith('/sick/') && flags === 'UF' && details.includes('connection_timeout')
}

async function silent(drill: Drill, far: LinkedNamespace, wire: Wire): Promise<void> {
  const rule = ['netns', 'exec', far.name, 'iptables', '-A', 'INPUT', '-p', 'tcp', '-j', 'DROP']
  await drill.during({
    name: 'silent',
    // In force when a new connection has failed too: of HTTP/2 the dead one alone has hundreds of requests to fail.
    inject: async () => {
      execFileSync('ip', rule)
      await drill.sidecar.untilLogged(1, failedToConnect)
    },
    until: 503,
    mend: () => void execFileSync('ip', rule.with(4, '-D')),
    // UC: the HTTP/2 connection that is given up with requests on it.
    answers: { 503: wire.protocol === 'http2' ? ['UF', 'UC'] : ['UF'], 504: ['UT'] },
  })
  await drill.finish()
  const lines = drill.sidecar.requests().filter(({ path }) => /silent-(inject|fault)/.test(path))
  assert.ok(
    lines.some(({ flags }) => flags === 'UT' || flags === 'UC'),
    'the kept connections were silent',
  )
  assert.ok(lines.some(failedToConnect))
  assert.ok((await drill.sidecar.metric('lateen_proxy_upstream_connect_failures_total', 'cluster="sick"')) >= 1)
  assert.equal(await drill.sidecar.metric('lateen_proxy_upstream_connect_failures_total', 'cluster="well"'), 0)
  await drill.assertMetricsTellTheLog()
}

for (const wire of [HTTP1, HTTP2, MUTUAL_HTTP2]) {
  const title = `${wire.name}: an upstream whose packets are dropped: 504 on kept connections, 503 on new ones, and both sides are let go`
  test(title, { skip: whatIsMissing() }, async (t: TestContext) => {
    const far = linkedNamespace(t)
    // HTTP/2 has no second connection to fail on: that the one is dead is found by PING.
    const http2 = { connection_keepalive: { interval: '0.5s', timeout: '1.5s' } }
    const drill = await startDrill(t, { wire, sick: { ...SICK, http2, under: ['ip', 'netns', 'exec', far.name], host: far.address } })
    await silent(drill, far, wire)
  })
}

test('clients that vanish without a word: their connections end after the idle time', { skip: whatIsMissing() }, async (t) => {
  const far = linkedNamespace(t)
  // The load's own two connections are never idle.
  const drill = await startDrill(t, {
    wire: HTTP2,
    sidecar: { host: far.ourAddress, manager: { common_http_protocol_options: { idle_timeout: '3s' } } },
  })
  const { load, sidecar } = drill
  await drill.allIsWell('before')
  const client = far.holdConnections(t, sidecar.port, 20)
  await sidecar.untilMetric((value) => value === 22, 'lateen_proxy_downstream_connections')
  await load.phase('fault')
  execFileSync('ip', ['netns', 'exec', far.name, 'iptables', '-A', 'OUTPUT', '-p', 'tcp', '-j', 'DROP'])
  client.kill('SIGKILL')
  await sidecar.untilMetric((value) => value === 2, 'lateen_proxy_downstream_connections')
  await drill.allIsWell('fault')
  await drill.finish()
})
