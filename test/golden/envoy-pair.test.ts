// Two stock Envoys on what we generate for two workloads: does the traffic do what the objects say? (A validated configuration may still
// route nowhere.) The certificates are static secrets, everything else is ours.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import http from 'node:http'
import { type TestContext, test } from 'node:test'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import { compileMesh } from '../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { generate } from '../../src/xds/generate/generate.ts'
import { viewFor } from '../../src/xds/view/view-for.ts'
import { TestCa } from '../harness/certificates.ts'
import { requireEnvoy, startEnvoy } from '../harness/envoy.ts'
import { at, plannedSidecar } from '../harness/planned-addresses.ts'
import { freePorts } from '../harness/ports.ts'
import { toEnvoyJson } from './envoy-json.ts'
import { staticBootstrap } from './static-bootstrap.ts'

const MESH = `
apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec: {selector: {app: server}, ports: [{name: http, port: 9080}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: server, namespace: default, labels: {app: server, version: v1}}
spec: {serviceAccount: server, command: [x], ports: [{name: http, containerPort: 9080}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: client, namespace: default, labels: {app: client}}
spec: {serviceAccount: client, command: [x]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: server, namespace: default}
spec:
  hosts: [server]
  http:
    - match: [{uri: {prefix: /missing}}]
      route: [{destination: {host: server, subset: none}}]
    - match: [{uri: {prefix: /moved}}]
      redirect: {uri: /elsewhere}
    - match: [{headers: {end-user: {exact: jason}}}, {uri: {prefix: /all}}]
      route: [{destination: {host: server}}]
`

interface Pair {
  /** The client's listener for the service. */
  readonly service: number
  /** The client's HTTP_PROXY. */
  readonly httpProxy: number
  /** The server's listener, which peers call. */
  readonly inbound: number
  readonly received: http.IncomingHttpHeaders[]
}

test('STRICT mutual TLS between two Envoys carries requests, with the caller proven to the application', async (t) => {
  const pair = await startPair(t, '')
  if (pair === undefined) return

  const response = await get(pair.service, '/all')

  assert.equal(response.status, 200)
  assert.match(String(pair.received[0]?.['x-forwarded-client-cert']), /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/client/)
  assert.equal(pair.received[0]?.['x-envoy-attempt-count'], '1')
  await assert.rejects(get(pair.inbound, '/all'), 'plaintext at a STRICT port is refused')
})

test('routes decide by path and header; what the user left out, or what does not exist, is answered by the proxy', async (t) => {
  const pair = await startPair(t, '')
  if (pair === undefined) return

  assert.equal((await get(pair.service, '/', { 'end-user': 'jason' })).status, 200)
  assert.equal((await get(pair.service, '/')).status, 404)
  assert.equal((await get(pair.service, '/missing')).status, 503)
  assert.equal((await get(pair.service, '/moved')).status, 301)
})

test('a call by name through HTTP_PROXY takes the same route; an unknown host is answered 502', async (t) => {
  const pair = await startPair(t, '')
  if (pair === undefined) return

  assert.equal((await get(pair.httpProxy, 'http://server:9080/all', { host: 'server:9080' })).status, 200)
  assert.equal((await get(pair.httpProxy, 'http://server.default:9080/', { host: 'server.default:9080' })).status, 404)
  assert.equal((await get(pair.httpProxy, 'http://nowhere/', { host: 'nowhere' })).status, 502)
})

test('a workload under a policy that is not in force answers 403', async (t) => {
  const pair = await startPair(
    t,
    '---\napiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: p, namespace: default}\nspec: {selector: {matchLabels: {app: server}}}\n',
  )
  if (pair === undefined) return

  assert.equal((await get(pair.service, '/all')).status, 403)
  assert.equal(pair.received.length, 0)
})

async function startPair(t: TestContext, more: string): Promise<Pair | undefined> {
  const binary = requireEnvoy(t)
  if (binary === undefined) return undefined
  const received: http.IncomingHttpHeaders[] = []
  const application = http.createServer((request, response) => {
    received.push(request.headers)
    response.end('ok')
  })
  application.listen(0, '127.0.0.1')
  await once(application, 'listening')
  t.after(() => application.close())
  const address = application.address()
  assert.ok(address !== null && typeof address === 'object')
  const [inbound = 0, service = 0, httpProxy = 0, serverProxy = 0, ...admins] = await freePorts(6)
  const objects = readYaml(`${MESH}${more}`, 'pair.yaml', { defaultNamespace: 'default' }).objects
  const { snapshot } = compileMesh({
    state: nextKubeState(emptyKubeState, objects),
    settings: DEFAULT_MESH_SETTINGS,
    addresses: {
      strategy: 'ports',
      workloads: {
        'default/server': {
          ...plannedSidecar('server', serverProxy),
          inbound: [{ name: 'http', containerPort: 9080, listen: at(inbound), application: at(address.port) }],
        },
        'default/client': {
          ...plannedSidecar('client', httpProxy),
          outbound: [{ service: 'default/server', port: 9080, listen: at(service), published: false }],
        },
      },
    },
    capture: 'bind',
    ready: new Set(['default/server', 'default/client']),
    compileRegex,
  })
  const ca = new TestCa()
  for (const [index, workload] of ['server', 'client'].entries()) {
    const view = viewFor(snapshot, { namespace: 'default', workload })
    assert.ok(view !== undefined)
    const admin = admins[index] ?? 0
    const identity = { ca, uri: `spiffe://cluster.local/ns/default/sa/${workload}` }
    const bootstrap = {
      ...staticBootstrap(toEnvoyJson(generate(view)), identity),
      admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
    }
    const envoy = await startEnvoy(binary, bootstrap, admin)
    t.after(() => envoy.stop())
  }
  return { service, httpProxy, inbound, received }
}

async function get(port: number, path: string, headers: Record<string, string> = {}): Promise<{ readonly status: number | undefined }> {
  const request = http.get({ host: '127.0.0.1', port, path, headers, agent: false })
  const [response] = (await once(request, 'response')) as [http.IncomingMessage]
  response.resume()
  await once(response, 'end')
  return { status: response.statusCode }
}
