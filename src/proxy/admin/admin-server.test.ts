import assert from 'node:assert/strict'
import { mkdtemp, readFile, rm, stat } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../base/clock.ts'
import { FakeClock } from '../../base/fake-clock.ts'
import { type LogLevel, silentLogger } from '../../base/log.ts'
import type { MessageName } from '../../envoy/any.ts'
import type { MessageTypes } from '../../envoy/generated/messages.gen.ts'
import { proxyCodec } from '../../envoy/proxy-codec.ts'
import { decodeBootstrap } from '../config/decode-bootstrap.ts'
import { anyOf, bootstrap, cluster, listener, manager, readBootstrap, settings } from '../config/resources.fixture.ts'
import { MetricRegistry } from '../telemetry/metrics.ts'
import { startAdminServer } from './admin-server.ts'
import type { AdminState } from './admin-state.ts'
import { createDiagnostics } from './diagnostics.ts'

const TLS = {
  name: 'tls',
  typed_config: anyOf('envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext', {
    common_tls_context: {
      tls_certificates: [{ certificate_chain: { inline_string: 'CHAIN' }, private_key: { inline_string: 'THE-KEY' } }],
    },
  }),
}

const { message } = readBootstrap(bootstrap([listener({ filter_chains: [{ filters: [manager()], transport_socket: TLS }] })], [cluster()]))
const decoded = decodeBootstrap(message, settings)

async function start(t: TestContext, fields: Partial<AdminState> = {}) {
  assert.ok(decoded.ok)
  const { config } = decoded.value
  const registry = new MetricRegistry()
  registry.counter('lateen_proxy_config_updates_total', 'Updates.', { result: 'accepted' }).add(3)
  registry.observe('gauge', 'lateen_proxy_x', 'X.', () => [{ value: 1.5 }])
  let level: LogLevel = 'info'
  const done: string[] = []
  const held = (messages: readonly { readonly name?: string | undefined }[]) =>
    messages.map((each) => ({ name: each.name ?? '', isStatic: true, version: '', updatedAtMs: 0, message: each }))
  const folder = await mkdtemp(path.join(tmpdir(), 'lateen-admin-'))
  t.after(() => rm(folder, { recursive: true, force: true }))
  const state: AdminState = {
    readiness: () => ({ ready: true, reason: 'LIVE' }),
    families: () => registry.families,
    config: () => config,
    clusterStatus: () => [],
    held: () => ({
      // The fixture's messages were read with the same table and the same name.
      toJson: (name: MessageName, value: object) => proxyCodec.toJson(name, value as MessageTypes[MessageName]),
      bootstrap: message,
      listeners: held(message.staticResources?.listeners ?? []),
      clusters: held(message.staticResources?.clusters ?? []),
      routes: [],
      endpoints: [],
      rejected: [],
    }),
    certificates: () => [],
    serverInfo: () => ({ version: '0.1.0', state: 'LIVE', uptimeMs: 5500, node: { id: 'n' }, commandLine: {} }),
    logLevel: () => level,
    setLogLevel(next) {
      level = next
    },
    drainListeners: async () => void done.push('drain'),
    quit: () => void done.push('quit'),
    memoryUsage: () => process.memoryUsage(),
    diagnostics: createDiagnostics(folder, systemClock),
    ...fields,
  }
  const server = await startAdminServer(state, { host: '127.0.0.1', port: 0 }, new FakeClock(), silentLogger)
  t.after(() => server.close())
  const ask = async (path: string, init?: RequestInit) => {
    const response = await fetch(`http://127.0.0.1:${server.address.port}${path}`, init)
    return { status: response.status, type: response.headers.get('content-type'), text: await response.text() }
  }
  return { ask, done }
}

test('ready says 200, or 503 with what is waited for', async (t) => {
  const live = await start(t)
  assert.deepEqual(await live.ask('/healthz/ready'), { status: 200, type: 'text/plain; charset=utf-8', text: 'LIVE\n' })
  const waiting = await start(t, { readiness: () => ({ ready: false, reason: 'waiting for route table 9080' }) })
  assert.deepEqual(await waiting.ask('/ready'), { status: 503, type: 'text/plain; charset=utf-8', text: 'waiting for route table 9080\n' })
})

test('statistics as Prometheus text, as plain text and as JSON', async (t) => {
  const { ask } = await start(t)
  const prometheus = await ask('/stats/prometheus')
  assert.equal(prometheus.type, 'text/plain; version=0.0.4; charset=utf-8')
  assert.match(
    prometheus.text,
    /^# HELP lateen_proxy_config_updates_total Updates\.\n# TYPE .* counter\nlateen_proxy_config_updates_total\{result="accepted"\} 3\n/,
  )
  assert.equal((await ask('/stats?filter=_x$')).text, 'lateen_proxy_x: 1.5\n')
  assert.deepEqual(JSON.parse((await ask('/stats?format=json&filter=proxy_x')).text), { stats: [{ name: 'lateen_proxy_x', value: 1.5 }] })
  assert.equal((await ask('/stats?filter=(')).status, 400)
})

test("the configuration is dumped in Envoy's shape, without keys", async (t) => {
  const { ask } = await start(t)
  const { text } = await ask('/config_dump')
  const dump = JSON.parse(text)
  assert.deepEqual(
    dump.configs.map((each: { '@type': string }) => each['@type'].split('.').at(-1)),
    ['BootstrapConfigDump', 'ClustersConfigDump', 'ListenersConfigDump', 'RoutesConfigDump'],
  )
  assert.equal(dump.configs[1].static_clusters[0].cluster.name, 'reviews')
  assert.equal(dump.configs[2].static_listeners[0].listener['@type'], 'type.googleapis.com/envoy.config.listener.v3.Listener')
  assert.ok(text.includes('CHAIN'))
  assert.ok(!text.includes('THE-KEY'))
  const only = JSON.parse((await ask('/config_dump?resource=static_clusters&name_regex=rev')).text)
  assert.deepEqual(
    only.configs.map((each: { cluster: { name: string } }) => each.cluster.name),
    ['reviews'],
  )
})

test('clusters and listeners as text and JSON', async (t) => {
  const { ask } = await start(t)
  assert.match((await ask('/clusters')).text, /^reviews::observability_name::reviews\nreviews::default_priority::max_connections::1024\n/)
  assert.match((await ask('/clusters')).text, /reviews::10\.0\.0\.1:9080::health_flags::healthy\n/)
  const clusters = JSON.parse((await ask('/clusters?format=json')).text)
  assert.deepEqual(clusters.cluster_statuses[0].host_statuses[0].address, { socket_address: { address: '10.0.0.1', port_value: 9080 } })
  assert.equal((await ask('/listeners')).text, 'main::127.0.0.1:10000\n')
})

test('what changes something needs POST and no browser', async (t) => {
  const { ask, done } = await start(t)
  assert.equal((await ask('/quitquitquit')).status, 405)
  assert.equal((await ask('/drain_listeners', { method: 'POST', headers: { origin: 'http://evil' } })).status, 403)
  assert.deepEqual(done, [])
  assert.equal((await ask('/drain_listeners', { method: 'POST' })).text, 'OK\n')
  assert.equal((await ask('/quitquitquit', { method: 'POST' })).text, 'OK\n')
  assert.deepEqual(done, ['drain', 'quit'])
  assert.equal((await ask('/logging?level=debug', { method: 'POST' })).text, 'active loggers:\n  lateen: debug\n')
  assert.equal((await ask('/logging?level=loud', { method: 'POST' })).status, 400)
})

test('an unknown path is 404 with the list and a guess', async (t) => {
  const { ask } = await start(t)
  const { status, text } = await ask('/config_dum')
  assert.equal(status, 404)
  assert.match(text, /did you mean \/config_dump\?[\s\S]*GET {2}\/certs/)
})

test('a failure of the state is an answer, not the end of the process', async (t) => {
  const { ask } = await start(t, {
    serverInfo() {
      throw new Error('no info')
    },
  })
  assert.deepEqual([(await ask('/server_info')).status, (await ask('/ready')).status], [500, 200])
})

test('server info has version, state and uptime', async (t) => {
  const { ask } = await start(t)
  const info = JSON.parse((await ask('/server_info')).text)
  assert.deepEqual([info.version, info.state, info.uptime_current_epoch, info.node.id], ['0.1.0', 'LIVE', '5s', 'n'])
})

test('memory is told in bytes', async (t) => {
  const { ask } = await start(t)
  const memory = JSON.parse((await ask('/memory')).text)
  assert.ok(Number(memory.total_physical_bytes) > Number(memory.heap_size))
  assert.ok(Number(memory.heap_size) > 1_000_000)
})

test('a heap snapshot and a CPU profile are written where only the own user may read', async (t) => {
  const { ask } = await start(t)
  assert.equal((await ask('/heap_snapshot')).status, 405)
  const post = { method: 'POST' }
  const snapshot = (await ask('/heap_snapshot', post)).text.trim()
  assert.ok(JSON.parse(await readFile(snapshot, 'utf8')).snapshot.node_count > 1000)
  const [first, second] = await Promise.all([ask('/cpu_profile?seconds=0.2', post), ask('/cpu_profile?seconds=0.2', post)])
  assert.deepEqual([first.status, second.status].sort(), [200, 500])
  assert.match(`${first.text}${second.text}`, /a CPU profile is being made already/)
  const profile = [first, second].find(({ status }) => status === 200)?.text.trim() ?? ''
  assert.ok(JSON.parse(await readFile(profile, 'utf8')).nodes.length > 0)
  for (const file of [snapshot, profile]) assert.equal((await stat(path.dirname(file))).mode & 0o077, 0)
  assert.equal((await ask('/cpu_profile?seconds=1000', post)).status, 400)
})
