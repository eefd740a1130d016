// A gateway of a mesh on one machine, as a user runs it: a LocalWorkload that is one, a Gateway, a Secret beside them in the directory, and
// an application behind its sidecar that takes mutual TLS only. Real programs, real certificates.
import assert from 'node:assert/strict'
import { type ChildProcess, spawn } from 'node:child_process'
import { X509Certificate } from 'node:crypto'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { TLSSocket } from 'node:tls'
import { connectMesh } from '../../src/standalone/mesh-client.ts'
import { TestCa } from '../harness/certificates.ts'
import { freePorts } from '../harness/ports.ts'
import { waitFor } from '../harness/wait.ts'

const LATEEN = path.resolve(import.meta.dirname, '../../src/bin/lateen.ts')
const ECHO = `require('node:http').createServer((request, response) => {
  response.setHeader('x-client', String(request.headers['x-forwarded-client-cert']))
  response.end('echo ' + request.url)
}).listen(Number(process.env.PORT), '127.0.0.1')`

function objects(port: number): string {
  return `
apiVersion: v1
kind: Service
metadata: {name: echo}
spec: {selector: {app: echo}, ports: [{name: http, port: 80, targetPort: 8080}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: echo, labels: {app: echo}}
spec: {serviceAccount: echo, command: [node, -e, ${JSON.stringify(ECHO)}], ports: [{name: http, containerPort: 8080}]}
---
apiVersion: security.istio.io/v1
kind: PeerAuthentication
metadata: {name: default}
spec: {mtls: {mode: STRICT}}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: edge, labels: {istio: ingressgateway}}
spec: {serviceAccount: edge, gateway: true}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec:
  selector: {istio: ingressgateway}
  servers: [{bind: 127.0.0.1, port: {number: ${port}, name: https, protocol: HTTPS}, hosts: ["shop.example.com"], tls: {mode: SIMPLE, credentialName: shop}}]
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: shop}
spec: {hosts: ["shop.example.com"], gateways: [edge], http: [{route: [{destination: {host: echo}}]}]}
`
}

function secret(ca: TestCa): string {
  const { chainPem, keyPem } = ca.issue({ dns: 'shop.example.com' })
  const data = { 'tls.crt': chainPem, 'tls.key': keyPem }
  return JSON.stringify({ apiVersion: 'v1', kind: 'Secret', type: 'kubernetes.io/tls', metadata: { name: 'shop' }, stringData: data })
}

interface Answer {
  readonly status: number | undefined
  readonly body: string
  readonly serial: string
}

function ask(port: number, ca: TestCa): Promise<Answer | undefined> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port, path: '/a', servername: 'shop.example.com', headers: { host: 'shop.example.com' } }
    const request = https.get({ ...options, ca: ca.rootPem, agent: false }, (response) => {
      let body = ''
      const { socket } = response
      const serial = socket instanceof TLSSocket ? new X509Certificate(socket.getPeerCertificate(false).raw).serialNumber : ''
      response.on('data', (chunk) => {
        body += String(chunk)
      })
      response.on('end', () => resolve({ status: response.statusCode, body, serial }))
    })
    request.on('error', () => resolve(undefined))
  })
}

function run(t: TestContext, dir: string, state: string): { readonly mesh: ChildProcess; readonly output: () => string } {
  const mesh = spawn(process.execPath, [LATEEN, 'run', dir, '--state', state], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  for (const stream of [mesh.stdout, mesh.stderr]) stream?.setEncoding('utf8').on('data', (chunk: string) => (output += chunk))
  t.after(async () => {
    const gone = new Promise((resolve) => mesh.once('exit', resolve))
    if (mesh.exitCode !== null) return
    mesh.kill('SIGTERM')
    await gone
  })
  return { mesh, output: () => output }
}

test('a LocalWorkload serves a Gateway with a Secret of the directory; without it a Finding says so; a new one is shown at once', async (t) => {
  const base = mkdtempSync(path.join(tmpdir(), 'lateen-edge-'))
  t.after(() => rmSync(base, { recursive: true, force: true }))
  const [dir, state] = [path.join(base, 'mesh'), path.join(base, 'state')]
  mkdirSync(dir)
  const [port = 0] = await freePorts(1)
  const ca = new TestCa('outside')
  writeFileSync(path.join(dir, 'mesh.yaml'), objects(port))
  const { mesh, output } = run(t, dir, state)
  const client = connectMesh(path.join(state, 'control.sock'))
  const alive = { timeoutMs: 40_000, while: () => mesh.exitCode === null }
  const findings = async (): Promise<string> => JSON.stringify(await client.get('/v1/findings'))
  try {
    await waitFor(async () => (await findings().catch(() => '')).includes('LTN0235'), { what: 'the Finding', ...alive })
    writeFileSync(path.join(dir, 'secret.json'), secret(ca))
    const first = await waitFor(async () => ((await ask(port, ca))?.status === 200 ? ask(port, ca) : undefined), {
      what: 'an answer',
      ...alive,
    })
    assert.equal(first.body, 'echo /a')
    assert.equal((await findings()).includes('LTN0235'), false)
    writeFileSync(path.join(dir, 'secret.json'), secret(ca))
    await waitFor(
      async () => {
        const answer = await ask(port, ca)
        assert.equal(answer?.status, 200, 'nothing is lost')
        return answer.serial !== first.serial
      },
      { what: 'the new certificate', ...alive },
    )
  } catch (error) {
    throw new Error(output(), { cause: error })
  }
})
