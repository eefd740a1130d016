// The whole program against a control plane driven by hand: join, configure, serve, lose the control plane, change, stop.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { TestCa } from '../../test/harness/certificates.ts'
import { FakeControlPlane, joinableTls } from '../../test/harness/fake-control-plane.ts'
import { freePorts } from '../../test/harness/ports.ts'
import { waitFor } from '../../test/harness/wait.ts'
import { any } from '../envoy/any.ts'
import type { Listener, RouteConfiguration } from '../envoy/generated/messages.gen.ts'
import { CLUSTER_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../envoy/type-urls.ts'
import { parseCsr } from '../identity/csr.ts'
import { sidecarBootstrap } from '../standalone/bootstrap.ts'

const LISTENER = 'envoy.config.listener.v3.Listener'
const ROUTES = 'envoy.config.route.v3.RouteConfiguration'
const SAN = 'istiod.istio-system.svc'
const ID = 'spiffe://cluster.local/ns/shop/sa/cart'

interface Answer {
  readonly status: number
  readonly body: string
}

function get(port: number, target: string): Promise<Answer> {
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

function listener(port: number): Listener {
  const manager = any('envoy.extensions.filters.network.http_connection_manager.v3.HttpConnectionManager', {
    statPrefix: 'test',
    rds: { routeConfigName: 'routes', configSource: { ads: {} } },
    httpFilters: [{ name: 'envoy.filters.http.router', typedConfig: any('envoy.extensions.filters.http.router.v3.Router', {}) }],
  })
  return {
    name: 'web',
    address: { socketAddress: { address: '127.0.0.1', portValue: port } },
    filterChains: [{ filters: [{ name: 'envoy.filters.network.http_connection_manager', typedConfig: manager }] }],
  }
}

function routes(body: string): RouteConfiguration {
  const route = { match: { prefix: '/' }, directResponse: { status: 200, body: { inlineString: body } } }
  return { name: 'routes', virtualHosts: [{ name: 'all', domains: ['*'], routes: [route] }] }
}

async function setUp(t: TestContext) {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-proxy-'))
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
  const [admin = 0, web = 0] = await freePorts(2)
  const bootstrap = sidecarBootstrap({
    namespace: 'shop',
    name: 'cart-1',
    workload: 'cart',
    serviceAccount: 'cart',
    labels: { app: 'cart' },
    addresses: { address: '127.0.0.1', admin: { host: '127.0.0.1', port: admin } } as never, // of the address plan only these are read
    xds: { host: '127.0.0.1', port: controlPlane.port },
    controlPlaneSan: SAN,
    version: 'test',
  })
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text)
    return path.join(folder, name)
  }
  const args = ['-c', file('bootstrap.json', JSON.stringify(bootstrap)), '--ca-root', file('root.pem', ca.rootPem), '--state', folder]
  const mesh = ['--ca-address', `127.0.0.1:${controlPlane.port}`, '--join-token-file', file('token', 'one-time\n')]
  const log = path.join(folder, 'log')
  t.after(() => {
    controlPlane.stop()
    rmSync(folder, { recursive: true })
  })
  const start = (): ChildProcess => {
    const program = path.join(import.meta.dirname, 'lateen.ts')
    const child = spawn(process.execPath, [program, 'proxy', ...args, ...mesh], { stdio: ['ignore', 'ignore', 'pipe'] })
    child.stderr?.on('data', (chunk) => writeFileSync(log, String(chunk), { flag: 'a' }))
    t.after(() => child.kill('SIGKILL'))
    return child
  }
  return { controlPlane, start, admin, web, tokens, log: () => readFileSync(log, 'utf8') }
}

const readyIs = (admin: number, status: number) => () =>
  get(admin, '/ready').then(
    (answer) => answer.status === status,
    () => false,
  )

test('a proxy joins by token, takes its configuration over mutual TLS, outlives the control plane and stops cleanly', async (t) => {
  const { controlPlane, start, admin, web, tokens, log } = await setUp(t)
  const proxy = start()
  const clusters = await controlPlane.requestOf(CLUSTER_TYPE)
  assert.equal(clusters.node?.metadata?.NAMESPACE, 'shop')
  assert.deepEqual(tokens, ['Bearer one-time'])
  assert.equal((await get(admin, '/ready')).status, 503)

  controlPlane.send('envoy.config.cluster.v3.Cluster', {})
  controlPlane.send(LISTENER, { web: ['1', listener(web)] })
  await controlPlane.requestOf(ROUTE_TYPE)
  assert.match((await get(admin, '/ready')).body, /waits for route table routes|waiting/)
  controlPlane.send(ROUTES, { routes: ['1', routes('one')] })
  await waitFor(readyIs(admin, 200), { what: 'the proxy' })
  assert.deepEqual(await get(web, '/'), { status: 200, body: 'one' })
  assert.match((await get(admin, '/certs')).body, new RegExp(ID))
  assert.match((await get(admin, '/stats/prometheus')).body, /lateen_proxy_control_plane_connected 1/)

  controlPlane.send(ROUTES, { routes: ['2', { name: 'routes', virtualHosts: [{ name: 'broken' }] }] })
  const refused = await untilRefused(controlPlane)
  assert.match(refused, /RDS routes: virtual_hosts\[0\]/)
  assert.deepEqual(await get(web, '/'), { status: 200, body: 'one' })

  controlPlane.stop()
  await waitFor(() => log().includes('no connection to the control plane'), { what: 'the loss' })
  assert.deepEqual(await get(web, '/'), { status: 200, body: 'one' })
  assert.equal((await get(admin, '/ready')).status, 200)

  await controlPlane.start()
  const again = await controlPlane.requestOf(ROUTE_TYPE)
  assert.deepEqual(again.initialResourceVersions, { routes: '1' })
  controlPlane.send(ROUTES, { routes: ['3', routes('three')] })
  await waitFor(async () => (await get(web, '/')).body === 'three', { what: 'the change' })

  proxy.kill('SIGTERM')
  assert.deepEqual(await once(proxy, 'exit'), [0, null])
})

test('a restarted proxy uses its saved certificate and not the token', async (t) => {
  const { controlPlane, start, tokens } = await setUp(t)
  const first = start()
  await controlPlane.requestOf(LISTENER_TYPE)
  first.kill('SIGTERM')
  await once(first, 'exit')
  start()
  await controlPlane.requestOf(LISTENER_TYPE)
  assert.equal(tokens.length, 1)
})

test('validate prints every problem and exits with 1', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-proxy-'))
  t.after(() => rmSync(folder, { recursive: true }))
  const file = path.join(folder, 'bad.json')
  writeFileSync(
    file,
    JSON.stringify({ admin: { address: { socket_address: { address: '127.0.0.1' } } }, static_resources: { listener: [] } }),
  )
  const child = spawn(process.execPath, [path.join(import.meta.dirname, 'lateen.ts'), 'proxy', '-c', file, '--mode', 'validate'])
  let output = ''
  child.stdout.on('data', (chunk) => {
    output += String(chunk)
  })
  const [code] = await once(child, 'close')
  assert.equal(code, 1)
  assert.match(output, /static_resources\.listener: .*did you mean 'listeners'/)
})

async function untilRefused(controlPlane: FakeControlPlane): Promise<string> {
  for (;;) {
    const request = await controlPlane.request()
    if (request.errorDetail?.message !== undefined) return request.errorDetail.message
  }
}
