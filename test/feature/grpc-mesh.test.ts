// gRPC between two applications of a real standalone mesh: control plane, certificates, a sidecar on each side, mutual TLS required.
import assert from 'node:assert/strict'
import path from 'node:path'
import { test } from 'node:test'
import { startMesh } from '../harness/mesh.ts'
import { STRICT } from '../harness/mesh-files.ts'
import { waitFor } from '../harness/wait.ts'

const LATEEN = path.resolve(import.meta.dirname, '../../src/bin/lateen.ts')
const PROGRAM = path.resolve(import.meta.dirname, '../harness/grpc-program.ts')

const MESH = `apiVersion: lateen.dev/v1alpha1
kind: MeshConfig
metadata: { name: mesh, namespace: istio-system }
spec: { accessLogFile: /dev/stdout }
---
apiVersion: v1
kind: Namespace
metadata: { name: default }
---
apiVersion: v1
kind: Service
metadata: { name: echo, namespace: default }
spec: { selector: { app: echo }, ports: [{ name: api, port: 9090, appProtocol: grpc }] }
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: echo, namespace: default, labels: { app: echo, version: v1 } }
spec: { serviceAccount: echo, command: [node, ${PROGRAM}], env: [{ name: ROLE, value: server }], ports: [{ containerPort: 9090 }] }
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: client, namespace: default, labels: { app: client, version: v1 } }
spec: { serviceAccount: client, command: [node, ${PROGRAM}], env: [{ name: ROLE, value: client }] }
`

test('gRPC calls of all kinds pass two sidecars under STRICT, over HTTP/2 all the way, and are counted by their gRPC status', async (t) => {
  const mesh = await startMesh(t, { files: { 'mesh.yaml': MESH, 'strict.yaml': STRICT }, program: LATEEN })

  const line = await waitFor(() => mesh.lines('client').find((each) => each.startsWith('RESULT ')), {
    what: 'the result of the client',
    timeoutMs: 20_000,
  })

  const result: unknown = JSON.parse(line.slice('RESULT '.length))
  assert.ok(typeof result === 'object' && result !== null && 'caller' in result)
  const { caller, ...answers } = result
  assert.deepEqual(answers, { unary: 'hello', failed: 9, streamed: ['a', 'b', 'c', 'code 0'] })
  assert.match(String(caller), /URI=spiffe:\/\/cluster\.local\/ns\/default\/sa\/client/)

  for (const [instance, reporter] of [
    ['client', 'source'],
    ['echo', 'destination'],
  ] as const) {
    const metrics = await mesh.admin(instance, '/stats/prometheus')
    const calls = metrics.split('\n').filter((each) => each.startsWith('istio_requests_total{') && each.includes(`reporter="${reporter}"`))
    const ofStatus = (code: number): string | undefined => calls.find((each) => each.includes(`grpc_response_status="${code}"`))
    for (const code of [0, 9]) {
      const counted = ofStatus(code) ?? ''
      assert.match(counted, /request_protocol="grpc"/, `${instance}: no call with status ${code} in\n${calls.join('\n')}`)
      assert.match(counted, /source_principal="spiffe:\/\/cluster\.local\/ns\/default\/sa\/client"/)
      assert.match(counted, /source_workload="client"/)
    }
  }
  for (const instance of ['client', 'echo']) {
    const log = await waitFor(() => callsIn(mesh.lines(`${instance} sidecar`)), { what: `the access log of ${instance}`, timeoutMs: 5000 })
    for (const each of log) assert.match(each, /HTTP\/2"/)
  }
})

/** Once the calls are in it that the result tells of; undefined before. */
function callsIn(lines: readonly string[]): readonly string[] | undefined {
  const calls = lines.filter((line) => line.includes('/test.Echo/'))
  return calls.some((line) => line.includes('/Bidi')) && calls.length >= 3 ? calls : undefined
}
