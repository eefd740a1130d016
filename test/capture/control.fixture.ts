// A control plane for pods in network namespaces: compiles the YAML file on its command line for redirected pods, serves xDS and
// certificates over TLS at the address on its command line, and compiles again at every line of its standard input. Prints 'ready', and
// 'compiled' each time. A caller's token is its `namespace/account`: who may claim what is not the matter here.
// Usage: control.fixture.ts MESH.yaml HOST PORT ROOT.pem
import { readFileSync, writeFileSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { readYaml } from '../../src/api/read-yaml.ts'
import { systemClock } from '../../src/base/clock.ts'
import { createLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { Watchable } from '../../src/base/watchable.ts'
import { fullCodec } from '../../src/envoy/full-codec.ts'
import { CREATE_CERTIFICATE_PATH } from '../../src/envoy/type-urls.ts'
import { parseCsr } from '../../src/identity/csr.ts'
import { parseTrustBundle } from '../../src/identity/trust-bundle.ts'
import { DEFAULT_MESH_SETTINGS } from '../../src/model/mesh-settings.ts'
import type { MeshSnapshot } from '../../src/model/mesh-snapshot.ts'
import { compileMesh } from '../../src/operator/compile/compile-mesh.ts'
import { emptyKubeState, nextKubeState } from '../../src/operator/ingest/kube-state.ts'
import { generate } from '../../src/xds/generate/generate.ts'
import { allShared } from '../../src/xds/generate/resources.ts'
import { createXdsServer } from '../../src/xds/serve/ads-server.ts'
import { type GrpcService, startGrpcServer } from '../../src/xds/serve/grpc-server.ts'
import { viewFor } from '../../src/xds/view/view-for.ts'
import { TestCa } from '../harness/certificates.ts'

const [file = '', host = '', port = '', rootFile = ''] = process.argv.slice(2)
const HOUR_MS = 3_600_000
const ca = new TestCa('pods')
const bundle = parseTrustBundle(ca.rootPem)
if (!bundle.ok) throw new Error(bundle.problems[0]?.message)
writeFileSync(rootFile, ca.rootPem)

function compiled(): MeshSnapshot {
  const { objects, findings } = readYaml(readFileSync(file, 'utf8'), file, { defaultNamespace: 'default', compileRegex })
  if (findings.length > 0) throw new Error(JSON.stringify(findings))
  const state = nextKubeState(emptyKubeState, objects)
  const ready = new Set(state.objects.Pod.keys())
  const addresses = { strategy: 'loopback', workloads: {} } as const
  return compileMesh({ state, settings: DEFAULT_MESH_SETTINGS, addresses, capture: 'redirect', ready, compileRegex }).snapshot
}

let snapshot = compiled()
const log = createLogger({ level: 'warn', format: 'text', write: (line) => void process.stderr.write(line), nowMs: systemClock.nowMs })
const xds = createXdsServer({
  resourcesFor(node) {
    const view = viewFor(snapshot, node)
    return view === undefined ? undefined : allShared(generate(view))
  },
  trust: () => ({ trustDomain: 'cluster.local', bundle: bundle.value }),
  clock: systemClock,
  log,
})

const signing: GrpcService = {
  unary: {
    [CREATE_CERTIFICATE_PATH]: async (bytes, caller) => {
      const request = fullCodec.decode('istio.v1.auth.IstioCertificateRequest', bytes)
      const csr = parseCsr(request.ok ? (request.value.csr ?? '') : '')
      const [namespace = '', account = ''] = (caller.authorization ?? '').replace('Bearer ', '').split('/')
      if (!csr.ok || account === '') return { ok: false, code: 16, details: 'no token, or no request' }
      const validity = { notAfterMs: systemClock.nowMs() + 24 * HOUR_MS }
      const leaf = ca.certify(csr.value.publicKeyDer, `spiffe://cluster.local/ns/${namespace}/sa/${account}`, validity)
      return { ok: true, bytes: fullCodec.encode('istio.v1.auth.IstioCertificateResponse', { certChain: [leaf, ca.rootPem] }) }
    },
  },
}

await startGrpcServer({
  ...{ host, port: Number(port), clock: systemClock, random: systemRandom, services: [xds.service, signing] },
  tls: {
    certificate: new Watchable(ca.issue({ dns: 'lateen-control-plane.lateen-system.svc' })),
    rootsPem: new Watchable(ca.rootPem),
  },
})
process.stdout.write('ready\n')
const lines = createInterface({ input: process.stdin })
lines.on('line', () => {
  snapshot = compiled()
  xds.update()
  process.stdout.write('compiled\n')
})
lines.on('close', () => process.exit(0))
