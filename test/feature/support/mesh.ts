// A whole control plane on a directory of its own, for one test: real files, real sockets, real certificates; everything is gone after it.
import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { systemClock } from '../../../src/base/clock.ts'
import { createLogger } from '../../../src/base/log.ts'
import { type ControlPlane, type ControlPlaneOptions, startControlPlane } from '../../../src/bin/control-plane/start.ts'
import { DEFAULT_MESH_SETTINGS } from '../../../src/model/mesh-settings.ts'
import { writePrivateFile } from '../../../src/standalone/state-folder.ts'
import { AdsClient, type ClientIdentity, requestCertificate } from './ads-client.ts'

export interface TestMesh {
  readonly dir: string
  readonly state: string
  readonly log: readonly string[]
  controlPlane: ControlPlane
  write(file: string, text: string): void
  ask(method: 'GET' | 'POST', path: string, body?: unknown): Promise<{ readonly status: number; readonly body: Record<string, unknown> }>
  token(serviceAccount: string, namespace?: string): Promise<string>
  join(serviceAccount: string, namespace?: string): Promise<ClientIdentity>
  /** A connected client that is closed when the test ends. */
  client(identity: ClientIdentity | undefined, nodeId: string, metadata?: Readonly<Record<string, string>>): AdsClient
  restart(): Promise<void>
  /** A second control plane with the same directory and state. */
  startAnother(): Promise<ControlPlane>
}

/** What a test gives the control plane beside the directory. */
export type TestMeshOptions = Pick<ControlPlaneOptions, 'cacerts' | 'rootSpreadMs'>

/** @param mesh number of the mesh on this machine, for tests whose proxies really listen; see standalone/free-ports.ts. */
export async function startTestMesh(
  t: TestContext,
  files: Readonly<Record<string, string>>,
  mesh = 1,
  options: TestMeshOptions = {},
): Promise<TestMesh> {
  const root = mkdtempSync(join(tmpdir(), 'lateen-mesh-'))
  const [dir, state] = [join(root, 'mesh'), join(root, 'state')]
  mkdirSync(dir)
  writePrivateFile(join(state, 'mesh.json'), JSON.stringify({ dir, mesh, strategy: 'loopback' }))
  for (const [name, text] of Object.entries(files)) writeFileSync(join(dir, name), text)
  const lines: string[] = []
  const log = createLogger({ level: 'debug', format: 'text', write: (line) => void lines.push(line), nowMs: () => systemClock.nowMs() })
  const start = (): Promise<ControlPlane> =>
    startControlPlane({
      ...{ dir, state, host: '127.0.0.1', port: 0, monitoringPort: 0, version: '0.0.0-test', pid: process.pid, isRoot: false },
      settings: DEFAULT_MESH_SETTINGS,
      ...options,
      clock: systemClock,
      log,
    })
  const clients: AdsClient[] = []
  const running: TestMesh = {
    dir,
    state,
    log: lines,
    controlPlane: await start(),
    write: (file, text) => writeFileSync(join(dir, file), text),
    ask: (method, path, body) => ask(running.controlPlane.socket, method, path, body),
    async token(serviceAccount, namespace = 'default') {
      const { status, body } = await running.ask('POST', '/v1/join-token', { namespace, serviceAccount })
      assert.equal(status, 200, JSON.stringify(body))
      return String(body.token)
    },
    async join(serviceAccount, namespace = 'default') {
      const token = await running.token(serviceAccount, namespace)
      const { port, rootPem } = running.controlPlane
      const joined = await requestCertificate(port, rootPem, `spiffe://cluster.local/ns/${namespace}/sa/${serviceAccount}`, { token })
      assert.ok('keyPem' in joined, JSON.stringify(joined))
      return joined
    },
    client(identity, nodeId, metadata) {
      const client = new AdsClient(running.controlPlane.port, running.controlPlane.rootPem, identity, nodeId, metadata)
      clients.push(client)
      return client
    },
    startAnother: start,
    async restart() {
      await running.controlPlane.stop()
      running.controlPlane = await start()
    },
  }
  t.after(async () => {
    for (const client of clients) client.close()
    await running.controlPlane.stop()
    rmSync(root, { recursive: true, force: true })
  })
  return running
}

function ask(
  socketPath: string,
  method: string,
  path: string,
  body: unknown,
): Promise<{ readonly status: number; readonly body: Record<string, unknown> }> {
  return new Promise((resolve, reject) => {
    const outgoing = request({ socketPath, method, path, agent: false }, (response) => {
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (chunk: string) => {
        text += chunk
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: JSON.parse(text) }))
    })
    outgoing.on('error', reject)
    outgoing.end(body === undefined ? undefined : JSON.stringify(body))
  })
}

/** Two services, the second with two versions: as much of Bookinfo as the control plane needs. */
export const SHOP: Readonly<Record<string, string>> = {
  'shop.yaml': `
apiVersion: v1
kind: Service
metadata: { name: cart, namespace: default }
spec: { selector: { app: cart }, ports: [{ name: http, port: 8080 }] }
---
apiVersion: v1
kind: Service
metadata: { name: price, namespace: default }
spec: { selector: { app: price }, ports: [{ name: http, port: 9090 }] }
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: cart-v1, namespace: default, labels: { app: cart, version: v1 } }
spec: { serviceAccount: cart, command: [node, cart.ts], ports: [{ name: http, containerPort: 8080 }] }
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: price-v1, namespace: default, labels: { app: price, version: v1 } }
spec: { serviceAccount: price, command: [node, price.ts], ports: [{ name: http, containerPort: 9090 }] }
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: price-v2, namespace: default, labels: { app: price, version: v2 } }
spec: { serviceAccount: price, command: [node, price.ts], ports: [{ name: http, containerPort: 9090 }] }
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: { name: price, namespace: default }
spec:
  host: price
  subsets: [{ name: v1, labels: { version: v1 } }, { name: v2, labels: { version: v2 } }]
`,
  'routes.yaml': priceRoute(90, 10),
}

export function priceRoute(v1: number, v2: number): string {
  return `
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: price, namespace: default }
spec:
  hosts: [price]
  http:
  - route:
    - { destination: { host: price, subset: v1 }, weight: ${v1} }
    - { destination: { host: price, subset: v2 }, weight: ${v2} }
`
}

export const CART_NODE = 'sidecar~127.0.0.1~cart-v1.default~default.svc.cluster.local'
