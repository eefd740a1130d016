import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { startApiServer } from '../kube/api-server.fixture.ts'
import { type Ran, runWords } from './heard.fixture.ts'

async function lateen(t: TestContext, words: readonly string[], input = '', kubeconfig?: string): Promise<Ran> {
  const cwd = mkdtempSync(path.join(tmpdir(), 'lateen-cli-'))
  t.after(() => rmSync(cwd, { recursive: true, force: true }))
  if (kubeconfig !== undefined) writeFileSync(path.join(cwd, 'kubeconfig'), kubeconfig)
  return runWords(words, { cwd, env: kubeconfig === undefined ? {} : { KUBECONFIG: path.join(cwd, 'kubeconfig') }, input })
}

const POD = 'apiVersion: v1\nkind: Pod\nmetadata: {name: web, namespace: shop}\nspec: {containers: [{name: web, image: app}]}\n'
const namespace = (labels: string): string => `---\napiVersion: v1\nkind: Namespace\nmetadata: {name: shop, labels: {${labels}}}\n`

test('inject check -f says why in the words of the webhook', async (t) => {
  const check = async (text: string): Promise<string> => (await lateen(t, ['inject', 'check', '-f', '-'], text)).out

  assert.match(
    await check(POD),
    /^shop\/Pod web is injected: the namespace is enabled and nothing excludes the pod \(policy-enabled\)\.\n$/,
  )
  assert.match(
    await check(POD + namespace('')),
    /is not injected: neither the namespace shop nor the pod asks for it; run: kubectl label namespace shop/,
  )
  assert.match(await check(POD + namespace('istio-injection: disabled')), /\(namespace-disabled\)/)
  assert.match(
    await check(POD + namespace('istio.io/rev: canary')),
    /business of revision 'canary'; this one is 'default' \(other-revision\)/,
  )
})

test('kube-inject writes the result and warns on standard error', async (t) => {
  const pod = POD.replace('namespace: shop', 'annotations: {sidecar.istio.io/bootstrapOverride: x}')

  const { code, out, err } = await lateen(t, ['kube-inject', '-f', '-'], pod)

  assert.equal(code, 0)
  assert.match(out, /name: lateen-proxy/)
  assert.match(err, /Pod web: warning: annotation sidecar.istio.io\/bootstrapOverride has no effect/)
})

test('inject check asks the cluster, and says when a pod has no proxy although it should', async (t) => {
  const api = await startApiServer(t)
  const kubeconfig = JSON.stringify({
    ...{
      apiVersion: 'v1',
      kind: 'Config',
      'current-context': 'a',
      contexts: [{ name: 'a', context: { cluster: 'a', user: 'a', namespace: 'shop' } }],
    },
    clusters: [{ name: 'a', cluster: { server: api.connection.server, 'insecure-skip-tls-verify': true } }],
    users: [{ name: 'a', user: {} }],
  })
  api.put('Namespace', { metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } } })
  api.put('Pod', { metadata: { name: 'old', namespace: 'shop' }, spec: { containers: [{ name: 'a' }] } })
  api.put('ConfigMap', { metadata: { name: 'lateen-injector', namespace: 'lateen-system' }, data: { config: 'policy: enabled' } })

  const one = await lateen(t, ['inject', 'check', 'old'], '', kubeconfig)
  const absent = await lateen(t, ['inject', 'check', 'new'], '', kubeconfig)

  assert.equal(one.err, '')
  assert.match(one.out, /^shop\/old is injected: .*\nIt has no proxy: it was made before the label/)
  assert.equal(absent.code, 1)
  assert.match(absent.err, /new/)
})
