// A client's and a server's sidecar on what a user wrote, each our own proxy or a stock Envoy, with real mutual TLS between them: compiled,
// generated, encoded, and run. In front and behind stands whatever the test puts there; there is no control plane.
import assert from 'node:assert/strict'
import type { TestContext } from 'node:test'
import { readYaml } from '../../../src/api/read-yaml.ts'
import { compileRegex } from '../../../src/base/regex.ts'
import { ROOT_SECRET, WORKLOAD_SECRET } from '../../../src/envoy/names.ts'
import { DEFAULT_MESH_SETTINGS } from '../../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../../src/model/mesh-snapshot.ts'
import { compileMesh } from '../../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../../src/operator/ingest/kube-state.ts'
import { generate } from '../../../src/xds/generate/generate.ts'
import { viewFor } from '../../../src/xds/view/view-for.ts'
import { type ProxyUnderTest, startProxy } from '../../dataplane/peers.ts'
import { toEnvoyJson } from '../../golden/envoy-json.ts'
import { staticBootstrap } from '../../golden/static-bootstrap.ts'
import { TestCa } from '../../harness/certificates.ts'
import { requireEnvoy, startEnvoy } from '../../harness/envoy.ts'
import { at, plannedSidecar } from '../../harness/planned-addresses.ts'
import { freePorts } from '../../harness/ports.ts'
import { configOf, PROXIES, type ProxyKind } from './route-lab.ts'

export interface PairOfProxies {
  readonly client: ProxyKind
  readonly server: ProxyKind
}

/** Ours and a stock Envoy, at both ends. */
export const PAIRS: readonly PairOfProxies[] = PROXIES.flatMap((client) => PROXIES.map((server) => ({ client, server })))

export interface PairOptions {
  /** `name: grpc` or `name: web, appProtocol: http2`: what the Service says of its one port. */
  readonly port: string
  readonly mode: 'STRICT' | 'PERMISSIVE' | 'DISABLE'
  /** Where the application listens. */
  readonly application: number
  readonly objects?: string
}

export interface PairLab {
  /** What the client's application calls. */
  readonly service: number
  /** What the server's sidecar opens: for callers without a sidecar. */
  readonly inbound: number
  /** Undefined where it is a stock Envoy. */
  readonly client: ProxyUnderTest | undefined
  readonly server: ProxyUnderTest | undefined
}

/** Undefined: there is no Envoy here, and the test is skipped. */
export async function startPairLab(t: TestContext, kinds: PairOfProxies, options: PairOptions): Promise<PairLab | undefined> {
  if ([kinds.client, kinds.server].includes('a stock Envoy') && requireEnvoy(t) === undefined) return undefined
  // All at once: one that is not bound yet may be given out again.
  const [inbound = 0, service = 0, serverAdmin = 0, clientAdmin = 0, ...proxies] = await freePorts(6)
  const snapshot = snapshotOf(options, { inbound, service, proxies })
  const ca = new TestCa()
  const server = await startSidecar(t, { workload: 'server', kind: kinds.server, admin: serverAdmin }, snapshot, ca)
  const client = await startSidecar(t, { workload: 'client', kind: kinds.client, admin: clientAdmin }, snapshot, ca)
  return { service, inbound, client, server }
}

function snapshotOf(
  { port, mode, application, objects = '' }: PairOptions,
  { inbound, service, proxies }: { readonly inbound: number; readonly service: number; readonly proxies: readonly number[] },
): MeshSnapshot {
  const read = readYaml(`${meshOf(port, mode)}${objects}`, 'pair.yaml', { defaultNamespace: 'default', compileRegex })
  assert.deepEqual(
    read.findings.filter(({ severity }) => severity === 'error'),
    [],
  )
  const listens = { name: '', containerPort: 9080, listen: at(inbound), application: at(application) }
  const calls = { service: 'default/server', port: 9080, listen: at(service), published: false }
  const [ofServer = 0, ofClient = 0] = proxies
  return compileMesh({
    state: nextKubeState(emptyKubeState, read.objects),
    settings: DEFAULT_MESH_SETTINGS,
    addresses: {
      strategy: 'ports',
      workloads: {
        'default/server': { ...plannedSidecar('server', ofServer), inbound: [listens] },
        'default/client': { ...plannedSidecar('client', ofClient), outbound: [calls] },
      },
    },
    capture: 'bind',
    ready: new Set(['default/server', 'default/client']),
    compileRegex,
  }).snapshot
}

function meshOf(port: string, mode: string): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: server, namespace: default}
spec: {selector: {app: server}, ports: [{port: 9080, ${port}}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: server, namespace: default, labels: {app: server, version: v1}}
spec: {serviceAccount: server, command: [x], ports: [{containerPort: 9080}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: client, namespace: default, labels: {app: client}}
spec: {serviceAccount: client, command: [x]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default, namespace: default}
spec: {mtls: {mode: ${mode}}}
---
`
}

async function startSidecar(
  t: TestContext,
  { workload, kind, admin }: { readonly workload: 'client' | 'server'; readonly kind: ProxyKind; readonly admin: number },
  snapshot: MeshSnapshot,
  ca: TestCa,
): Promise<ProxyUnderTest | undefined> {
  const isStock = kind === 'a stock Envoy'
  const view = viewFor(snapshot, { namespace: 'default', workload, isStock })
  assert.ok(view !== undefined)
  const uri = `spiffe://cluster.local/ns/default/sa/${workload}`
  const resources = generate(view)
  if (!isStock) {
    const proxy = await startProxy(t, configOf(resources))
    proxy.secrets.setKeyPair(WORKLOAD_SECRET, ca.issue(uri))
    proxy.secrets.setRoots(ROOT_SECRET, ca.rootPem)
    return proxy
  }
  const binary = requireEnvoy(t)
  if (binary === undefined) return undefined
  const bootstrap = {
    ...staticBootstrap(toEnvoyJson(resources), { ca, uri }),
    admin: { address: { socket_address: { address: '127.0.0.1', port_value: admin } } },
  }
  const envoy = await startEnvoy(binary, bootstrap, admin)
  t.after(() => envoy.stop())
  return undefined
}
