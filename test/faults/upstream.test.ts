// An upstream that dies, hangs, or falls silent on the network, under load: docs/faults.md 1-3.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { test } from 'node:test'
import { linkedNamespace, whatIsMissing } from './network.ts'
import { describe, startBackend, startSidecar } from './sidecar.ts'

test('an upstream that is killed: 503 at once, and 200 as soon as it is back', async (t) => {
  const backend = await startBackend(t)
  const sidecar = await startSidecar(t, { upstream: { host: '127.0.0.1', port: backend.port } })
  const load = sidecar.load(2000)
  await sidecar.untilAnswered(200)
  await backend.kill()
  await sidecar.untilAnswered(100, 503)
  await backend.restart()
  const report = await load
  t.diagnostic(describe(report))
  const after = await sidecar.assertRecovered()
  // UC: it died with the request; UF: nobody listens.
  await sidecar.assertBooks([report, after], { 200: ['-'], 503: ['UF', 'UC'] })
  assert.ok(report.latencyMs.max < 2000, 'refused connections are answered at once')
  assert.ok((await sidecar.metric('lateen_proxy_upstream_connect_failures_total')) >= 90)
})

test('an upstream that hangs: 504 when the route says so, and 200 when it goes on', async (t) => {
  const backend = await startBackend(t)
  const sidecar = await startSidecar(t, { upstream: { host: '127.0.0.1', port: backend.port }, route: { timeout: '0.4s' } })
  const load = sidecar.load(2000, 1024)
  await sidecar.untilAnswered(200)
  backend.stop()
  await sidecar.untilAnswered(100, 504)
  backend.go()
  const report = await load
  t.diagnostic(describe(report))
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'], 504: ['UT'] })
  assert.equal(await sidecar.metric('lateen_proxy_upstream_requests'), 0, 'nothing of it stays behind')
})

test('an upstream whose packets are dropped: 504 on kept connections, 503 on new ones, and both sides are let go', {
  skip: whatIsMissing(),
}, async (t) => {
  const far = linkedNamespace(t)
  const backend = await startBackend(t, ['ip', 'netns', 'exec', far.name], far.address)
  const sidecar = await startSidecar(t, {
    upstream: { host: far.address, port: backend.port },
    route: { timeout: '0.4s' },
    cluster: { connect_timeout: '0.25s' },
  })
  const load = sidecar.load(2000, 1024)
  await sidecar.untilAnswered(200)
  const drop = ['netns', 'exec', far.name, 'iptables', '-A', 'INPUT', '-p', 'tcp', '-j', 'DROP']
  execFileSync('ip', drop)
  await sidecar.untilAnswered(1, 504)
  await sidecar.untilAnswered(100, 503)
  execFileSync('ip', drop.with(4, '-D'))
  const report = await load
  t.diagnostic(describe(report))
  const after = await sidecar.assertRecovered()
  await sidecar.assertBooks([report, after], { 200: ['-'], 503: ['UF'], 504: ['UT'] })
  await sidecar.untilLogged(({ details }) => details.includes('connection_timeout'), 'a connection that was not accepted in time')
})

test('a client that vanishes without a word: its connection ends after the idle time', { skip: whatIsMissing() }, async (t) => {
  const far = linkedNamespace(t)
  const backend = await startBackend(t)
  const sidecar = await startSidecar(t, {
    upstream: { host: '127.0.0.1', port: backend.port },
    host: far.ourAddress,
    manager: { common_http_protocol_options: { idle_timeout: '1s' } },
  })
  const client = far.holdConnections(t, sidecar.port, 20)
  await sidecar.untilMetric(20, 'lateen_proxy_downstream_connections')
  execFileSync('ip', ['netns', 'exec', far.name, 'iptables', '-A', 'OUTPUT', '-p', 'tcp', '-j', 'DROP'])
  client.kill('SIGKILL')
  await far.until(async () => (await sidecar.metric('lateen_proxy_downstream_connections')) === 0, 'the connections to end')
  await sidecar.assertRecovered()
})
