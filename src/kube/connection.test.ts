// The kubeconfig and the pod's account, against an API server with TLS and tokens.
import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { FakeClock } from '../base/fake-clock.ts'
import { type FakeApiServer, startApiServer } from './api-server.fixture.ts'
import { createKubeClient } from './client.ts'
import type { KubeConnection } from './connection.ts'
import { inClusterConnection, isInCluster } from './in-cluster.ts'
import { loadConnection } from './load-connection.ts'

interface Scene {
  readonly api: FakeApiServer
  readonly folder: string
  readonly clock: FakeClock
  readonly file: (name: string, text: string) => string
}

async function scene(t: TestContext): Promise<Scene> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-kube-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const file = (name: string, text: string): string => {
    writeFileSync(path.join(folder, name), text)
    return path.join(folder, name)
  }
  const subject = ['-subj', '/CN=fake', '-addext', 'subjectAltName=IP:127.0.0.1']
  const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-keyout', path.join(folder, 'tls.key')]
  execFileSync('openssl', ['req', '-x509', ...key, '-out', path.join(folder, 'ca.crt'), ...subject], { stdio: 'ignore' })
  const pem = (name: string): string => readFileSync(path.join(folder, name), 'utf8')
  const api = await startApiServer(t, { token: 'one', tls: { cert: pem('ca.crt'), key: pem('tls.key') } })
  return { api, folder, clock: new FakeClock(), file }
}

/** What `/version` answers: 'ok' or the failure's reason. */
async function ask(t: TestContext, connection: KubeConnection): Promise<() => Promise<string>> {
  const client = createKubeClient(connection, { clock: new FakeClock() })
  t.after(() => client.close())
  return async () => {
    const answer = await client.raw('/version')
    return answer.ok ? 'ok' : `${answer.failure.reason}: ${answer.failure.message}`
  }
}

function kubeconfig(server: string, user: object): string {
  return JSON.stringify({
    apiVersion: 'v1',
    kind: 'Config',
    'current-context': 'here',
    contexts: [{ name: 'here', context: { cluster: 'c', user: 'u', namespace: 'team' } }],
    clusters: [{ name: 'c', cluster: { server, 'certificate-authority': 'ca.crt' } }],
    users: [{ name: 'u', user }],
  })
}

test('a kubeconfig gives server, namespace, root and token; KUBECONFIG names it', async (t) => {
  const { api, clock, file } = await scene(t)
  const config = file('config', kubeconfig(api.url, { token: 'one' }))
  const loaded = await loadConnection({ clock, env: { KUBECONFIG: config } })
  assert.ok(loaded.ok)
  assert.equal(loaded.value.namespace, 'team')
  assert.equal(await (await ask(t, loaded.value))(), 'ok')
})

test('a kubeconfig that was rewritten is read again when its token is refused', async (t) => {
  const { api, clock, file } = await scene(t)
  const config = file('config', kubeconfig(api.url, { token: 'one' }))
  const loaded = await loadConnection({ clock, env: {}, kubeconfig: config })
  assert.ok(loaded.ok)
  const version = await ask(t, loaded.value)
  assert.equal(await version(), 'ok')
  api.token = 'two'
  assert.match(await version(), /^Unauthorized/)
  file('config', kubeconfig(api.url, { token: 'two' }))
  assert.equal(await version(), 'ok')
})

test('an exec plugin is asked for the token', async (t) => {
  const { api, clock, file } = await scene(t)
  const credential = { apiVersion: 'client.authentication.k8s.io/v1', kind: 'ExecCredential', status: { token: 'one' } }
  const exec = { apiVersion: credential.apiVersion, command: 'echo', args: [JSON.stringify(credential)], interactiveMode: 'Never' }
  const config = file('config', kubeconfig(api.url, { exec }))
  const loaded = await loadConnection({ clock, env: { KUBECONFIG: config } })
  assert.ok(loaded.ok)
  assert.equal(await (await ask(t, loaded.value))(), 'ok')
})

test('a server that the root does not vouch for gets no token', async (t) => {
  const { api, clock, file } = await scene(t)
  const other = await scene(t)
  const config = file('config', kubeconfig(other.api.url, { token: 'one' }))
  const loaded = await loadConnection({ clock, env: { KUBECONFIG: config } })
  assert.ok(loaded.ok)
  assert.match(await (await ask(t, loaded.value))(), /^Unreachable: .*(?:certificate|self-signed|signature)/)
  assert.equal(other.api.requests.length + api.requests.length, 0)
})

test('what is missing is said: file, context, or any place to look', async (t) => {
  const { api, clock, file } = await scene(t)
  const message = async (choice: object): Promise<string> => {
    const loaded = await loadConnection({ clock, env: {}, ...choice })
    return loaded.ok ? 'loaded' : loaded.failure.message
  }
  assert.match(await message({ kubeconfig: '/nowhere/config' }), /^find the API server: \/nowhere\/config: .*ENOENT/)
  const config = file('config', kubeconfig(api.url, {}))
  assert.match(await message({ kubeconfig: config, context: 'there' }), /no cluster for the context 'there'; it has: 'here'/)
  assert.match(await message({}), /there is no kubeconfig .*set KUBECONFIG/)
})

test("a pod's token is read again: twice a minute, and at once after a refusal", async (t) => {
  const { api, clock, file, folder } = await scene(t)
  file('token', 'one\n')
  file('namespace', 'lateen-system')
  const { hostname, port } = new URL(api.url)
  const env = { KUBERNETES_SERVICE_HOST: hostname, KUBERNETES_SERVICE_PORT: port }
  assert.equal(isInCluster(env, folder), true)
  assert.equal(isInCluster({}, folder), false)
  const found = await inClusterConnection({ clock, env, folder })
  assert.ok(found.ok)
  assert.equal(found.value.namespace, 'lateen-system')
  const version = await ask(t, found.value)
  assert.equal(await version(), 'ok')

  file('token', 'two')
  api.token = 'two'
  assert.equal(await version(), 'ok')
  file('token', 'three')
  assert.equal(await version(), 'ok', 'the cached one still serves')
  clock.advance(30_000)
  assert.match(await version(), /^Unauthorized/)
})
