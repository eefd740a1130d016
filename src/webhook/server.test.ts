import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, renameSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import type { TLSSocket } from 'node:tls'
import { TestCa } from '../../test/harness/certificates.ts'
import { findingAt } from '../api/finding.ts'
import { isRecord } from '../api/record.ts'
import { systemClock } from '../base/clock.ts'
import { FakeClock } from '../base/fake-clock.ts'
import { silentLogger } from '../base/log.ts'
import { applyPatch } from './apply-patch.fixture.ts'
import { defaultInjectorConfig } from './injector-config.ts'
import type { PatchOperation } from './json-patch.ts'
import { startWebhook, type WebhookOptions, type WebhookServer } from './server.ts'

const POD = { apiVersion: 'v1', kind: 'Pod', metadata: { generateName: 'web-' }, spec: { containers: [{ name: 'web', image: 'app:1' }] } }

interface Hook extends WebhookServer {
  readonly ca: TestCa
  /** Writes a certificate as the kubelet does: a new folder, and one link that is swapped. */
  writeCertificate(pem: { readonly chainPem: string; readonly keyPem: string }): void
  readonly folder: string
  post(path: string, body: unknown): Promise<{ readonly status: number; readonly body: string; readonly serial: string }>
}

async function startHook(t: TestContext, options: Partial<WebhookOptions> = {}): Promise<Hook> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-webhook-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const ca = new TestCa()
  let generation = 0
  const writeCertificate: Hook['writeCertificate'] = ({ chainPem, keyPem }) => {
    const fresh = `..${++generation}`
    mkdirSync(path.join(folder, fresh))
    writeFileSync(path.join(folder, fresh, 'tls.crt'), chainPem)
    writeFileSync(path.join(folder, fresh, 'tls.key'), keyPem)
    symlinkSync(fresh, path.join(folder, '..next'))
    renameSync(path.join(folder, '..next'), path.join(folder, '..data'))
    if (generation > 1) return
    for (const name of ['tls.crt', 'tls.key']) symlinkSync(path.join('..data', name), path.join(folder, name))
  }
  writeCertificate(ca.issue({ dns: 'hook.test' }))
  const server = await startWebhook({
    ...{ host: '127.0.0.1', port: 0, certificateFolder: folder, clock: new FakeClock(), log: silentLogger, version: 'test' },
    ...{
      config: defaultInjectorConfig,
      meshDefaults: () => ({}),
      nativeSidecars: () => true,
      validate: () => [],
    },
    ...options,
  })
  t.after(() => server.close())
  return { ...server, ca, folder, writeCertificate, post: (target, body) => post(server.port, ca, target, body) }
}

function post(port: number, ca: TestCa, target: string, body: unknown): Promise<{ status: number; body: string; serial: string }> {
  const agent = new Agent({ ca: ca.rootPem, servername: 'hook.test', keepAlive: false })
  return new Promise((resolve, reject) => {
    const sent = request({ agent, host: '127.0.0.1', port, path: target, method: 'POST' }, (response) => {
      const { serialNumber } = (response.socket as TLSSocket).getPeerCertificate() // an HTTPS answer's socket is one
      let text = ''
      response.setEncoding('utf8')
      response.on('data', (part: string) => {
        text += part
      })
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: text, serial: serialNumber }))
    })
    sent.on('error', reject)
    sent.end(typeof body === 'string' ? body : JSON.stringify(body))
  })
}

function review(object: unknown, more: object = {}): unknown {
  const request = { uid: 'u-1', kind: { kind: 'Pod' }, namespace: 'shop', operation: 'CREATE', object, ...more }
  return { apiVersion: 'admission.k8s.io/v1', kind: 'AdmissionReview', request }
}

interface Response {
  readonly uid: string
  readonly allowed: boolean
  readonly patch?: readonly PatchOperation[]
  readonly warnings?: readonly string[]
  readonly message?: string
}

function responseOf(text: string): Response {
  const value: unknown = JSON.parse(text)
  const response = isRecord(value) && isRecord(value.response) ? value.response : {}
  const status = isRecord(response.status) ? { message: String(response.status.message) } : {}
  const patch = typeof response.patch === 'string' ? { patch: JSON.parse(Buffer.from(response.patch, 'base64').toString()) } : {}
  return {
    uid: String(response.uid),
    allowed: response.allowed === true,
    ...(Array.isArray(response.warnings) ? { warnings: response.warnings } : {}),
    ...status,
    ...patch,
  }
}

test('a pod is answered with a patch that adds the proxy, and is counted', async (t) => {
  const hook = await startHook(t)

  const { status, body } = await hook.post('/inject', review(POD))

  assert.equal(status, 200)
  const { uid, allowed, patch = [] } = responseOf(body)
  assert.deepEqual([uid, allowed], ['u-1', true])
  const made = JSON.stringify(applyPatch(POD, patch))
  assert.match(made, /"name":"lateen-proxy"/)
  assert.match(hook.metrics(), /^sidecar_injection_success_total 1$/m)
  assert.match(hook.metrics(), /^sidecar_injection_time_seconds_count 1$/m)
})

test('a pod that opted out is let through untouched, with its reason counted', async (t) => {
  const hook = await startHook(t)
  const pod = { ...POD, metadata: { labels: { 'sidecar.istio.io/inject': 'false' } } }

  const { body } = await hook.post('/inject', review(pod))

  assert.deepEqual(responseOf(body), { uid: 'u-1', allowed: true })
  assert.match(hook.metrics(), /^lateen_injection_skipped_total\{reason="pod-opted-out"\} 1$/m)
})

test('a pod that cannot be injected as asked is refused with a sentence', async (t) => {
  const hook = await startHook(t)
  const pod = { ...POD, metadata: { annotations: { 'sidecar.istio.io/proxyCPU': 'lots' } } }

  const { body } = await hook.post('/inject', review(pod))

  const { allowed, message = '' } = responseOf(body)
  assert.equal(allowed, false)
  assert.match(message, /proxyCPU: must be a quantity such as 100m or 128Mi; it is 'lots'/)
  assert.match(hook.metrics(), /^sidecar_injection_failure_total 1$/m)
})

test('the cluster and network of the path reach the proxy', async (t) => {
  const hook = await startHook(t)

  const { body } = await hook.post('/inject/cluster/east--slash--1/net/n1', review(POD))

  const made = JSON.stringify(applyPatch(POD, responseOf(body).patch ?? []))
  assert.match(made, /\\"CLUSTER_ID\\":\\"east\/1\\"/)
  assert.match(made, /\\"NETWORK\\":\\"n1\\"/)
})

test('a certificate that changes on disk is used for the next connection, and a broken one changes nothing', async (t) => {
  const hook = await startHook(t)
  const first = (await hook.post('/inject', review(POD))).serial

  hook.writeCertificate(hook.ca.issue({ dns: 'hook.test' }))
  hook.lookAtCertificate()
  const second = (await hook.post('/inject', review(POD))).serial
  hook.writeCertificate({ chainPem: 'nothing', keyPem: 'nothing' })
  hook.lookAtCertificate()
  const third = (await hook.post('/inject', review(POD))).serial

  assert.notEqual(second, first)
  assert.equal(third, second)
})

test('a changed certificate is seen by itself', async (t) => {
  const clock = new FakeClock()
  const hook = await startHook(t, { clock })
  const first = (await hook.post('/inject', review(POD))).serial

  hook.writeCertificate(hook.ca.issue({ dns: 'hook.test' }))
  clock.advance(5_000)

  assert.notEqual((await hook.post('/inject', review(POD))).serial, first)
})

test('a webhook without a certificate does not start, and says which folder', async (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-webhook-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))

  await assert.rejects(startHook(t, { certificateFolder: folder }), /certificate in .*: cannot be read/)
})

test('what is no review, no POST, too large or elsewhere gets its own answer', async (t) => {
  const hook = await startHook(t)

  assert.equal((await hook.post('/inject', 'nonsense')).status, 400)
  assert.equal((await hook.post('/inject', { apiVersion: 'admission.k8s.io/v1beta1', kind: 'AdmissionReview' })).status, 400)
  assert.equal((await hook.post('/inject', ' '.repeat(9 * 1024 * 1024))).status, 413)
  assert.equal((await hook.post('/elsewhere', {})).status, 404)
  assert.equal((await hook.post('/ready', {})).status, 200)
})

test('a pod of three megabytes is injected', async (t) => {
  const hook = await startHook(t)
  const large = { ...POD, metadata: { annotations: { large: 'x'.repeat(3 * 1024 * 1024) } } }

  assert.equal(responseOf((await hook.post('/inject', review(large))).body).allowed, true)
})

test('validation denies errors and shows warnings', async (t) => {
  const error = findingAt('LTN0112', undefined, 'spec', { expected: 'a mapping', found: 'text' })
  const hook = await startHook(t, {
    validate: (object) => [{ ...error, severity: isRecord(object) && object.kind === 'Bad' ? 'error' : 'warning' }],
  })

  const denied = responseOf((await hook.post('/validate', review({ kind: 'Bad' }))).body)
  const warned = responseOf((await hook.post('/validate', review({ kind: 'Odd' }))).body)
  const deleted = responseOf((await hook.post('/validate', review(undefined, { operation: 'DELETE' }))).body)

  assert.equal(denied.allowed, false)
  assert.match(denied.message ?? '', /^LTN0112: spec: /)
  assert.equal(warned.allowed, true)
  assert.match(warned.warnings?.[0] ?? '', /^lateen: LTN0112: spec: /)
  assert.deepEqual(deleted, { uid: 'u-1', allowed: true })
})

test('a failure inside is a failed call, and the server goes on', async (t) => {
  let broken = true
  const hook = await startHook(t, {
    meshDefaults: () => {
      if (broken) throw new Error('no configuration')
      return {}
    },
  })

  assert.equal((await hook.post('/inject', review(POD))).status, 500)
  broken = false
  assert.equal((await hook.post('/inject', review(POD))).status, 200)
})

test('99 of 100 answers are there within 100 ms (the aim is 20, on a machine that is not busy)', async (t) => {
  const hook = await startHook(t, { clock: systemClock })
  for (let asked = 0; asked < 200; asked++) await hook.post('/inject', review(POD))

  const within = /time_seconds_bucket\{le="0.1"\} (\d+)/.exec(hook.metrics())?.[1]
  assert.ok(Number(within) >= 198, hook.metrics())
})
