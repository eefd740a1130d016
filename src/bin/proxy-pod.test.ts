// The whole program as a pod's container starts it: by environment alone, with DNS names, a token file, no home, and a stop.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { TestCa } from '../../test/harness/certificates.ts'
import { FakeControlPlane, joinableTls } from '../../test/harness/fake-control-plane.ts'
import { freePorts } from '../../test/harness/ports.ts'
import { waitFor } from '../../test/harness/wait.ts'
import type { AgentSettings } from '../envoy/agent-settings.ts'
import { any } from '../envoy/any.ts'
import type { DeltaDiscoveryRequest, Listener } from '../envoy/generated/messages.gen.ts'
import { proxyBootstrap } from '../envoy/sidecar-bootstrap.ts'
import { LISTENER_TYPE } from '../envoy/type-urls.ts'
import { parseCsr } from '../identity/csr.ts'

const SAN = 'lateen-control-plane.lateen-system.svc'
const LISTENER = 'envoy.config.listener.v3.Listener'
const DRAIN_MS = 4000

interface Answer {
  readonly status: number
  readonly body: string
  readonly connection: string | undefined
}

function ask(port: number, target: string, method = 'GET'): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const request = http.request({ host: '127.0.0.1', port, path: target, method, agent: false }, async (response) => {
      let body = ''
      for await (const chunk of response) body += String(chunk)
      resolve({ status: response.statusCode ?? 0, body: body.trim(), connection: response.headers.connection })
    })
    request.on('error', reject)
    request.end()
  })
}

function answering(name: string, port: number, trafficDirection: 'INBOUND' | 'OUTBOUND'): Listener {
  const route = { match: { prefix: '/' }, directResponse: { status: 200, body: { inlineString: name } } }
  const manager = any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: name,
    routeConfig: { name, virtualHosts: [{ name: 'all', domains: ['*'], routes: [route] }] },
    httpFilters: [{ name: 'envoy.filters.http.router', typedConfig: any('envoy.extensions.filters.http.router.v3.Router', {}) }],
  })
  return {
    name,
    trafficDirection,
    address: { socketAddress: { address: '127.0.0.1', portValue: port } },
    filterChains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typedConfig: manager }] }],
  }
}

async function setUp(t: TestContext, agent: Partial<AgentSettings> = {}) {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-pod-'))
  const ca = new TestCa()
  const tokens: (string | undefined)[] = []
  const controlPlane = new FakeControlPlane({
    credentials: joinableTls(ca.issue({ dns: SAN }), ca.rootPem),
    sign(request, { authorization }) {
      tokens.push(authorization)
      const csr = parseCsr(request.csr ?? '')
      if (!csr.ok) throw Object.assign(new Error('csr'), { code: 3, details: csr.problems[0]?.message })
      return { certChain: [ca.certify(csr.value.publicKeyDer, csr.value.requested), ca.rootPem] }
    },
  })
  await controlPlane.start()
  const [admin = 0, inbound = 0, outbound = 0, statusPort = 0, healthPort = 0, prometheusPort = 0] = await freePorts(6)
  const podInfo = path.join(folder, 'pod')
  mkdirSync(podInfo)
  writeFileSync(path.join(podInfo, 'labels'), 'app="other"\npod-template-hash="5d4f"')
  writeFileSync(path.join(folder, 'root.pem'), ca.rootPem)
  writeFileSync(path.join(folder, 'token'), 'of today\n')
  const bootstrap = proxyBootstrap({
    node: { type: 'sidecar', address: '127.0.0.1', workload: 'cart-1', namespace: 'shop', domain: 'shop.svc.cluster.local' },
    cluster: 'cart.shop',
    metadata: { NAMESPACE: 'shop', SERVICE_ACCOUNT: 'cart', LABELS: { app: 'cart' } },
    admin: { host: '127.0.0.1', port: admin },
    // A name with several addresses, of which one answers.
    xds: { host: 'localhost', port: controlPlane.port },
    controlPlaneSan: SAN,
  })
  const settings: AgentSettings = { statusPort, healthPort, prometheusPort, probes: {}, podInfo, ...agent }
  const env = {
    PATH: process.env.PATH,
    HOME: '/nonexistent',
    LATEEN_BOOTSTRAP: JSON.stringify(bootstrap),
    LATEEN_AGENT: JSON.stringify(settings),
    LATEEN_CA_ADDRESS: `localhost:${controlPlane.port}`,
    LATEEN_CA_NAME: SAN,
    LATEEN_CA_ROOT: path.join(folder, 'root.pem'),
    LATEEN_CA_TOKEN_FILE: path.join(folder, 'token'),
    LATEEN_STATE: path.join(folder, 'state'),
    LATEEN_DRAIN_TIME: `${DRAIN_MS}ms`,
  }
  const lines: string[] = []
  const start = (): ChildProcess => {
    const child = spawn(process.execPath, [path.join(import.meta.dirname, 'lateen.ts'), 'proxy'], {
      stdio: ['ignore', 'ignore', 'pipe'],
      env,
      cwd: folder,
    })
    child.stderr.on('data', (chunk) => lines.push(String(chunk)))
    t.after(() => child.kill('SIGKILL'))
    return child
  }
  /** The first request of a stream: what the one before still acknowledged is passed over. */
  const joined = async (): Promise<DeltaDiscoveryRequest> => {
    for (;;) {
      const request = await controlPlane.request()
      if (request.node !== undefined) return request
    }
  }
  const configure = async (): Promise<void> => {
    await controlPlane.requestOf(LISTENER_TYPE)
    controlPlane.send('envoy.config.cluster.v3.Cluster', {})
    controlPlane.send(LISTENER, {
      inbound: ['1', answering('inbound', inbound, 'INBOUND')],
      outbound: ['1', answering('outbound', outbound, 'OUTBOUND')],
    })
    await waitFor(() => readiness().then((said) => said === '200 LIVE'), { what: `ready:\n${lines.join('')}` })
  }
  const readiness = (): Promise<string> =>
    ask(healthPort, '/healthz/ready').then(
      ({ status, body }) => `${status} ${body}`,
      () => 'closed',
    )
  t.after(() => {
    controlPlane.stop()
    rmSync(folder, { recursive: true })
  })
  return {
    folder,
    controlPlane,
    start,
    joined,
    configure,
    readiness,
    tokens,
    lines,
    ports: { inbound, outbound, statusPort, prometheusPort },
  }
}

test('a pod: started by its environment, named by its labels, asked to drain, stopped', async (t) => {
  const { folder, start, joined, configure, readiness, tokens, ports } = await setUp(t)
  const proxy = start()
  const { node } = await joined()
  assert.deepEqual(node?.metadata?.LABELS, { app: 'cart', 'pod-template-hash': '5d4f' })
  assert.deepEqual(tokens, ['Bearer of today'])
  assert.match(await readiness(), /^503 waiting for the first configuration/)
  await configure()
  assert.match((await ask(ports.prometheusPort, '/stats/prometheus')).body, /lateen_agent_scrapes_total 0/)
  assert.deepEqual(readdirSync(folder).sort(), ['pod', 'root.pem', 'state', 'token'], 'only the state folder is written')

  assert.equal((await ask(ports.statusPort, '/drain', 'POST')).status, 200)
  assert.equal(await readiness(), '503 DRAINING')
  assert.deepEqual(await ask(ports.inbound, '/'), { status: 200, body: 'inbound', connection: 'close' })

  const ended = once(proxy, 'exit')
  const askedMs = performance.now()
  proxy.kill('SIGTERM')
  // The application still calls, later than a drain without connections would have ended.
  await waitFor(() => performance.now() - askedMs > 1500, { what: 'a while' })
  assert.equal((await ask(ports.outbound, '/')).body, 'outbound')
  assert.deepEqual(await ended, [0, null])
  assert.ok(performance.now() - askedMs >= DRAIN_MS - 100)
})

test('a native sidecar, whose application is gone already, ends when nobody is connected', async (t) => {
  const { start, joined, configure } = await setUp(t, { nativeSidecar: true })
  const proxy = start()
  await joined()
  await configure()
  const askedMs = performance.now()
  proxy.kill('SIGTERM')
  assert.deepEqual(await once(proxy, 'exit'), [0, null])
  assert.ok(performance.now() - askedMs < DRAIN_MS)
})

test('without a control plane it waits and says why; a restarted container needs no CA', async (t) => {
  const { controlPlane, start, joined, configure, readiness, tokens, ports } = await setUp(t)
  controlPlane.stop()
  const first = start()
  const said = await waitFor(() => readiness().then((now) => (now.includes('UNAVAILABLE') ? now : undefined)), { what: 'a reason' })
  assert.match(said, /^503 no certificate yet: UNAVAILABLE: could not connect to localhost:\d+: /)
  await controlPlane.start()
  await joined()
  await configure()
  const ended = once(first, 'exit')
  assert.equal((await ask(ports.statusPort, '/quitquitquit', 'POST')).status, 200)
  assert.deepEqual(await ended, [0, null])
  start()
  await joined()
  await configure()
  assert.equal(tokens.length, 1)
})

test('agent settings that are not understood end the start', async () => {
  const env = { PATH: process.env.PATH, LATEEN_BOOTSTRAP: '{}', LATEEN_AGENT: '{"probes": {"/live": {}}}' }
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'lateen.ts'), 'proxy'], {
    env,
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  let output = ''
  child.stderr.on('data', (chunk) => {
    output += String(chunk)
  })
  assert.deepEqual(await once(child, 'close'), [2, null])
  assert.match(output, /--agent: probes\[\/live\]: /)
})
