// One client's sidecar on what a user wrote: compiled, generated, encoded, and run, by our own proxy or by a stock Envoy. Behind it an
// application that answers as the test says; no control plane and no certificates, as neither is what such a test is about.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import type { TestContext } from 'node:test'
import { readYaml } from '../../../src/api/read-yaml.ts'
import { compileRegex, compileRegexRewrite, compileStrictRegex } from '../../../src/base/regex.ts'
import type { MessageName } from '../../../src/envoy/any.ts'
import type { MessageTypes } from '../../../src/envoy/generated/messages.gen.ts'
import { proxyCodec } from '../../../src/envoy/proxy-codec.ts'
import { CLUSTER_TYPE, ENDPOINT_TYPE, LISTENER_TYPE, ROUTE_TYPE } from '../../../src/envoy/type-urls.ts'
import { DEFAULT_MESH_SETTINGS } from '../../../src/model/mesh-settings.ts'
import { compileMesh } from '../../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../../src/operator/ingest/kube-state.ts'
import { Assembler, type ReceivedByName } from '../../../src/proxy/config/assemble.ts'
import type { ProxyConfig } from '../../../src/proxy/config/proxy-config.ts'
import { generate } from '../../../src/xds/generate/generate.ts'
import type { EnvoyResources } from '../../../src/xds/generate/resources.ts'
import { viewFor } from '../../../src/xds/view/view-for.ts'
import { startProxy } from '../../dataplane/peers.ts'
import { toEnvoyJson } from '../../golden/envoy-json.ts'
import { staticBootstrap } from '../../golden/static-bootstrap.ts'
import { requireEnvoy, startEnvoy } from '../../harness/envoy.ts'
import { at, plannedSidecar } from '../../harness/planned-addresses.ts'
import { freePorts } from '../../harness/ports.ts'

export type ProxyKind = 'our proxy' | 'a stock Envoy'
export const PROXIES: readonly ProxyKind[] = ['our proxy', 'a stock Envoy']

const MESH = `
apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec: {selector: {app: server}, ports: [{name: http, port: 9080}, {name: tcp, port: 9081}, {name: tls, port: 9082}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: server, namespace: default, labels: {app: server, version: v1}}
spec: {serviceAccount: server, command: [x], ports: [{name: http, containerPort: 9080}, {name: tcp, containerPort: 9081}, {name: tls, containerPort: 9082}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: client, namespace: default, labels: {app: client, tier: front}}
spec: {serviceAccount: client, command: [x]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: DISABLE}}
---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: server, namespace: default}
spec: {host: server, subsets: [{name: v1, labels: {version: v1}}]}
---
`

export interface RouteLab {
  readonly received: http.IncomingMessage[]
  /** The sidecar's listeners for the service's ports 9081 (TCP) and 9082 (TLS). */
  readonly tcpPort: number
  readonly tlsPort: number
  /** Asks through the client's sidecar. */
  ask(path: string, headers?: Readonly<Record<string, string>>): Promise<Answer>
}

export interface Answer {
  readonly status: number
  readonly headers: http.IncomingHttpHeaders
  readonly body: Buffer
}

export interface Application {
  /** Answers; leaves the request open when it does nothing. */
  readonly answer?: http.RequestListener
  /** Where the endpoints of the TCP and TLS ports listen. */
  readonly tcpPort?: number
  readonly tlsPort?: number
}

/** Undefined: there is no Envoy here, and the test is skipped. */
export async function startRouteLab(
  t: TestContext,
  kind: ProxyKind,
  objects: string,
  app: Application = {},
): Promise<RouteLab | undefined> {
  const binary = kind === 'our proxy' ? undefined : requireEnvoy(t)
  if (kind !== 'our proxy' && binary === undefined) return undefined
  const received: http.IncomingMessage[] = []
  const application = http.createServer((request, response) => {
    received.push(request)
    if (app.answer === undefined) response.end('ok')
    else app.answer(request, response)
  })
  t.after(() => application.closeAllConnections())
  t.after(() => application.close())
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  const address = application.address()
  assert.ok(address !== null && typeof address === 'object')
  const [service = 0, tcpPort = 0, tlsPort = 0, httpProxy = 0, admin = 0] = await freePorts(5)
  const resources = resourcesFor(objects, {
    isStock: binary !== undefined,
    server: [address.port, app.tcpPort ?? 9, app.tlsPort ?? 9],
    client: [service, tcpPort, tlsPort],
    httpProxy,
  })
  if (binary === undefined) await startProxy(t, configOf(resources))
  else {
    const bootstrap = {
      ...staticBootstrap(toEnvoyJson(resources)),
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
    }
    const envoy = await startEnvoy(binary, bootstrap, admin)
    t.after(() => envoy.stop())
  }
  return { received, tcpPort, tlsPort, ask: (path, headers = {}) => ask(service, path, headers) }
}

interface Ports {
  readonly isStock: boolean
  readonly server: readonly number[]
  readonly client: readonly number[]
  readonly httpProxy: number
}

function resourcesFor(objects: string, ports: Ports): EnvoyResources {
  const read = readYaml(`${MESH}${objects}`, 'lab.yaml', { defaultNamespace: 'default', compileRegex })
  const errors = read.findings.filter(({ severity }) => severity === 'error')
  assert.deepEqual(errors, [])
  const { snapshot } = compileMesh({
    state: nextKubeState(emptyKubeState, read.objects),
    settings: DEFAULT_MESH_SETTINGS,
    addresses: {
      strategy: 'ports',
      workloads: {
        'default/server': {
          ...plannedSidecar('server', 0),
          inbound: [9080, 9081, 9082].map((port, index) => ({
            name: '',
            containerPort: port,
            listen: at(ports.server[index] ?? 0),
            application: at(0),
          })),
        },
        'default/client': {
          ...plannedSidecar('client', ports.httpProxy),
          outbound: [9080, 9081, 9082].map((port, index) => ({
            service: 'default/server',
            port,
            listen: at(ports.client[index] ?? 0),
            published: false,
          })),
        },
      },
    },
    capture: 'bind',
    ready: new Set(['default/server', 'default/client']),
    compileRegex,
  })
  const view = viewFor(snapshot, { namespace: 'default', workload: 'client', isStock: ports.isStock })
  assert.ok(view !== undefined)
  return generate(view)
}

/** Decoded as our proxy decodes what it receives. */
export function configOf(resources: EnvoyResources): ProxyConfig {
  const regex = { compile: compileRegex, compileStrict: compileStrictRegex, rewriter: compileRegexRewrite }
  const { rejected, waiting, config } = new Assembler({ regex, allowUnsupported: false }).assemble({
    listeners: received(resources, LISTENER_TYPE, 'envoy.config.listener.v3.Listener'),
    clusters: received(resources, CLUSTER_TYPE, 'envoy.config.cluster.v3.Cluster'),
    routes: received(resources, ROUTE_TYPE, 'envoy.config.route.v3.RouteConfiguration'),
    endpoints: received(resources, ENDPOINT_TYPE, 'envoy.config.endpoint.v3.ClusterLoadAssignment'),
  })
  assert.deepEqual({ rejected, waiting }, { rejected: [], waiting: [] })
  return config
}

function received<K extends MessageName>(resources: EnvoyResources, typeUrl: string, message: K): ReceivedByName<MessageTypes[K]> {
  return new Map(
    [...(resources.get(typeUrl) ?? [])].map(([name, { bytes }]) => {
      const decoded = proxyCodec.decode(message, bytes)
      assert.ok(decoded.ok, decoded.ok ? '' : `${name}: ${JSON.stringify(decoded.problems)}`)
      return [name, { message: decoded.value }]
    }),
  )
}

async function ask(port: number, path: string, headers: Readonly<Record<string, string>>): Promise<Answer> {
  const request = http.get({ host: '127.0.0.1', port, path, headers: { host: 'server:9080', ...headers }, agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  const chunks: Buffer[] = []
  for await (const chunk of response) chunks.push(Buffer.from(chunk))
  return { status: response.statusCode ?? 0, headers: response.headers, body: Buffer.concat(chunks) }
}
