// A real standalone mesh whose Services name no protocol: control plane, certificates and sidecars as processes, mutual TLS required.
import assert from 'node:assert/strict'
import { get, type IncomingMessage } from 'node:http'
import net from 'node:net'
import path from 'node:path'
import { test } from 'node:test'
import { type Mesh, startMesh } from '../harness/mesh.ts'
import { STRICT } from '../harness/mesh-files.ts'
import { waitFor } from '../harness/wait.ts'

const LATEEN = path.resolve(import.meta.dirname, '../../src/bin/lateen.ts')
const MAIL =
  "require('net').createServer((s) => s.on('error', () => {}).write('220 ready\\\\r\\\\n')).listen(process.env.PORT, process.env.HOST)"

const MESH = `apiVersion: v1
kind: Service
metadata: { name: mail, namespace: default }
spec: { selector: { app: mail }, ports: [{ port: 2525 }] }
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: mail, namespace: default, labels: { app: mail } }
spec: { serviceAccount: mail, command: [node, -e, "${MAIL}"], ports: [{ containerPort: 2525 }] }
---
apiVersion: v1
kind: Service
metadata: { name: echo, namespace: default }
spec: { selector: { app: echo }, ports: [{ port: 8080 }] }
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: echo, namespace: default, labels: { app: echo } }
spec:
  serviceAccount: echo
  command: $ECHO
  ports: [{ containerPort: 8080 }]
  readinessProbe: { httpGet: { path: /health, port: 8080 } }
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: { name: echo, namespace: default }
spec:
  hosts: [echo]
  http:
    - { match: [{ uri: { prefix: /old } }], directResponse: { status: 418 } }
    - { route: [{ destination: { host: echo } }] }
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: { name: caller, namespace: default, labels: { app: caller } }
spec: { serviceAccount: caller }
`

test('where no protocol is named, HTTP is routed and a server that speaks first is heard, under STRICT', async (t) => {
  const mesh = await startMesh(t, { files: { 'mesh.yaml': MESH, 'strict.yaml': STRICT }, program: LATEEN })

  // The last endpoint may still be on its way to the caller.
  await waitFor(async () => (await status(mesh, '/')) === 200, { what: 'an answer', timeoutMs: 10_000 })
  assert.equal(await status(mesh, '/old'), 418)
  const words = await waitFor(async () => (await firstWords(mesh)) || undefined, {
    what: 'the first words of the server',
    timeoutMs: 10_000,
  })
  assert.match(words, /^220 ready/)

  const served = await mesh.admin('echo', '/stats/prometheus')
  assert.match(
    served,
    /istio_requests_total\{reporter="destination"[^}]*source_principal="spiffe:\/\/cluster\.local\/ns\/default\/sa\/caller"/,
  )
  const mail = await mesh.admin('mail', '/stats/prometheus')
  assert.doesNotMatch(mail, /istio_requests_total\{reporter="destination"/)
})

async function status(mesh: Mesh, target: string): Promise<number | undefined> {
  const { host, port } = mesh.outbound('caller', 'echo', 8080)
  const request = get({ host, port, path: target, agent: false })
  const response: IncomingMessage = await new Promise((resolve, reject) => request.on('response', resolve).on('error', reject))
  response.resume()
  return response.statusCode
}

/** '' where the application is not there yet and the connection is closed. */
function firstWords(mesh: Mesh): Promise<string> {
  const { host, port } = mesh.outbound('caller', 'mail', 2525)
  return new Promise((resolve) => {
    const socket = net.connect({ host, port })
    socket.on('error', () => undefined)
    socket.once('data', (chunk) => {
      resolve(String(chunk))
      socket.destroy()
    })
    socket.once('close', () => resolve(''))
  })
}
