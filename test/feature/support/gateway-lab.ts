// A gateway on what a user wrote: compiled, generated and served by our xDS server, users' credentials with it, to our own proxy or to a
// stock Envoy, which are whole programs. Behind it applications that say who they are; there is no CA, so the mesh's own certificates
// stand in the bootstrap.
import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { TestContext } from 'node:test'
import { readYaml } from '../../../src/api/read-yaml.ts'
import { systemClock } from '../../../src/base/clock.ts'
import { silentLogger } from '../../../src/base/log.ts'
import { seededRandom } from '../../../src/base/random.ts'
import { compileRegex } from '../../../src/base/regex.ts'
import { proxyBootstrap } from '../../../src/envoy/sidecar-bootstrap.ts'
import { type Credential, readCredential } from '../../../src/identity/credential.ts'
import { DEFAULT_MESH_SETTINGS } from '../../../src/model/mesh-settings.ts'
import { compileMesh } from '../../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../../src/operator/ingest/kube-state.ts'
import { createGenerator } from '../../../src/xds/generate/generate.ts'
import { createXdsServer, type XdsServer } from '../../../src/xds/serve/ads-server.ts'
import { startGrpcServer } from '../../../src/xds/serve/grpc-server.ts'
import { viewFor } from '../../../src/xds/view/view-for.ts'
import { TestCa } from '../../harness/certificates.ts'
import { requireEnvoy, startEnvoy } from '../../harness/envoy.ts'
import { at, plannedSidecar } from '../../harness/planned-addresses.ts'
import { freePorts } from '../../harness/ports.ts'
import { waitForHttp } from '../../harness/wait.ts'
import type { ProxyKind } from './route-lab.ts'

export interface GatewayLab {
  /** Free ports, for the servers of the Gateway. */
  readonly ports: readonly number[]
  readonly admin: number
  readonly xds: XdsServer
  readonly ca: TestCa
  /** Namespace and name of a Secret to its values; undefined: it is deleted. Gateways are told at once. */
  setSecret(key: string, data: Readonly<Record<string, string>> | undefined): void
  output(): string
}

export interface GatewayLabOptions {
  readonly kind: ProxyKind
  /** What the user wrote, for these ports. */
  readonly objects: (ports: readonly number[]) => string
  readonly secrets?: Readonly<Record<string, Readonly<Record<string, string>>>>
  /** Where the applications of the services `web` (HTTP, answers 'web') and `raw` (TCP) listen; undefined: an HTTP server of the lab. */
  readonly web?: number
  readonly raw?: number
  /** Data threads of our own proxy. */
  readonly threads?: number
}

const MESH = `
apiVersion: v1
kind: Service
metadata: {name: web, namespace: default}
spec: {selector: {app: web}, ports: [{name: http, port: 80}, {name: tcp, port: 81}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: web, namespace: default, labels: {app: web}}
spec: {serviceAccount: web, command: [x], ports: [{name: http, containerPort: 80}, {name: tcp, containerPort: 81}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: gateway, namespace: default, labels: {istio: ingressgateway}}
spec: {serviceAccount: gateway, command: [x]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: DISABLE}}
---
`

/** Undefined: there is no Envoy here, and the test is skipped. */
export async function startGatewayLab(t: TestContext, options: GatewayLabOptions): Promise<GatewayLab | undefined> {
  const binary = options.kind === 'our proxy' ? undefined : requireEnvoy(t)
  if (options.kind !== 'our proxy' && binary === undefined) return undefined
  const [admin = 0, ...ports] = await freePorts(7)
  const credentials = new Map<string, Credential>()
  for (const [key, data] of Object.entries(options.secrets ?? {})) credentials.set(key, readCredential(data))
  const web = options.web ?? (await startWeb(t))
  const xds = startXds(`${MESH}${options.objects(ports)}`, [web, options.raw ?? 9], credentials)
  const grpc = await startGrpcServer({
    ...{ host: '127.0.0.1', port: 0, tls: undefined, services: [xds.service], clock: systemClock, random: seededRandom(1) },
  })
  t.after(() => grpc.close())
  t.after(() => xds.close())
  const ca = new TestCa()
  const bootstrap = bootstrapOf({ admin, xds: grpc.port, ca, isStock: binary !== undefined })
  const output =
    binary === undefined ? await startOurs(t, bootstrap, admin, options.threads ?? 1) : await startStock(t, binary, bootstrap, admin)
  return {
    ...{ ports, admin, xds, ca, output },
    setSecret(key, data) {
      if (data === undefined) credentials.delete(key)
      else credentials.set(key, readCredential(data))
      xds.update()
    },
  }
}

function startXds(objects: string, applications: readonly number[], credentials: ReadonlyMap<string, Credential>): XdsServer {
  const read = readYaml(objects, 'gateway.yaml', { defaultNamespace: 'default', compileRegex })
  assert.deepEqual(
    read.findings.filter(({ severity }) => severity === 'error'),
    [],
  )
  const inbound = [80, 81].map((containerPort, index) => ({
    name: '',
    containerPort,
    // The application itself: nobody is in front of it.
    listen: at(applications[index] ?? 0),
    application: at(0),
  }))
  const { snapshot } = compileMesh({
    state: nextKubeState(emptyKubeState, read.objects),
    settings: DEFAULT_MESH_SETTINGS,
    addresses: {
      strategy: 'ports',
      workloads: { 'default/web': { ...plannedSidecar('web', 0), inbound }, 'default/gateway': plannedSidecar('gateway', 0) },
    },
    capture: 'bind',
    ready: new Set(['default/web', 'default/gateway']),
    compileRegex,
  })
  const generate = createGenerator()
  return createXdsServer({
    resourcesFor(node) {
      const view = viewFor(snapshot, node)
      return view === undefined ? undefined : generate(view)
    },
    credentialOf: (namespace, name) => credentials.get(`${namespace}/${name}`),
    trust: () => ({ trustDomain: 'cluster.local', bundle: { roots: [], pem: '', hash: '' } }),
    plaintext: true,
    clock: systemClock,
    log: silentLogger,
  })
}

function bootstrapOf({ admin, xds, ca, isStock }: { admin: number; xds: number; ca: TestCa; isStock: boolean }): Record<string, unknown> {
  const bootstrap = proxyBootstrap({
    node: { type: 'router', address: '127.0.0.1', workload: 'gateway', namespace: 'default', domain: 'default.svc.cluster.local' },
    cluster: 'gateway',
    metadata: { NAMESPACE: 'default', NAME: 'gateway', SERVICE_ACCOUNT: 'gateway', ...(isStock ? {} : { LATEEN_VERSION: 'test' }) },
    admin: at(admin),
    xds: at(xds),
    controlPlaneSan: 'nobody',
  })
  const { clusters } = Object(bootstrap.static_resources)
  const { chainPem, keyPem } = ca.issue('spiffe://cluster.local/ns/default/sa/gateway')
  const secrets = [
    { name: 'default', tls_certificate: { certificate_chain: { inline_string: chainPem }, private_key: { inline_string: keyPem } } },
    { name: 'ROOTCA', validation_context: { trusted_ca: { inline_string: ca.rootPem } } },
  ]
  return { ...bootstrap, static_resources: { clusters: [{ ...clusters[0], transport_socket: undefined }], secrets } }
}

async function startOurs(t: TestContext, bootstrap: unknown, admin: number, threads: number): Promise<() => string> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-gateway-'))
  const [file, log] = [path.join(folder, 'bootstrap.json'), path.join(folder, 'log')]
  writeFileSync(file, JSON.stringify(bootstrap))
  writeFileSync(log, '')
  const program = path.resolve(import.meta.dirname, '../../../src/bin/lateen.ts')
  const child = spawn(process.execPath, [program, 'proxy', '-c', file, '--concurrency', String(threads)], {
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  child.stderr.on('data', (chunk) => writeFileSync(log, String(chunk), { flag: 'a' }))
  t.after(async () => {
    const ended = once(child, 'exit')
    child.kill('SIGKILL')
    await ended
    rmSync(folder, { recursive: true })
  })
  const output = (): string => readFileSync(log, 'utf8')
  try {
    await waitForHttp(`http://127.0.0.1:${admin}/ready`, { what: 'the gateway', while: () => child.exitCode === null })
  } catch (error) {
    throw new Error(output(), { cause: error })
  }
  return output
}

async function startStock(t: TestContext, binary: string, bootstrap: unknown, admin: number): Promise<() => string> {
  const envoy = await startEnvoy(binary, bootstrap, admin)
  t.after(() => envoy.stop())
  return envoy.output
}

async function startWeb(t: TestContext): Promise<number> {
  const server = http.createServer((request, response) => {
    response.setHeader('x-received', JSON.stringify(request.headers))
    response.end(`web ${request.url}`)
  })
  t.after(() => server.closeAllConnections())
  t.after(() => server.close())
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  return address.port
}
