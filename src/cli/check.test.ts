// `lateen check` from outside: the API server is an HTTP server with the answers of a cluster in one state or another.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage } from 'node:http'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { meshResources } from '../kube/resource.ts'
import { check } from './check.ts'
import { hearingContext, type Ran } from './heard.fixture.ts'

type Answer = { readonly status?: number; readonly body: unknown }
/** `GET /api/v1/pods` -> the answer. What is not there is 404. */
type Cluster = Readonly<Record<string, Answer>>

const list = (items: readonly unknown[]): Answer => ({ body: { metadata: { resourceVersion: '1' }, items } })
const INJECTED = { 'sidecar.istio.io/status': '{}' }

const HEALTHY: Cluster = {
  'GET /version': { body: { major: '1', minor: '34', gitVersion: 'v1.34.4' } },
  'GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions': list(
    meshResources().map(({ plural, group, version }) => ({
      metadata: { name: `${plural}.${group}` },
      spec: { versions: [{ name: version, served: true }] },
    })),
  ),
  'GET /apis/apps/v1/namespaces/lateen-system/deployments/lateen-control-plane': {
    body: { metadata: { name: 'lateen-control-plane' }, spec: { replicas: 2 }, status: { readyReplicas: 2 } },
  },
  'GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations': list([
    { metadata: { name: 'lateen-injector-default' }, webhooks: [{ name: 'a', clientConfig: { caBundle: 'Q0E=' } }] },
  ]),
  'GET /api/v1/namespaces/lateen-system/secrets/lateen-webhook': {
    body: { metadata: { name: 'lateen-webhook' }, data: { 'ca.crt': 'Q0E=' } },
  },
  'POST /api/v1/namespaces/lateen-system/pods': { body: { metadata: { name: 'x', annotations: INJECTED } } },
  'GET /api/v1/namespaces': list([
    { metadata: { name: 'shop', labels: { 'istio-injection': 'enabled' } } },
    { metadata: { name: 'other' } },
  ]),
  'GET /api/v1/pods': list([
    {
      metadata: { name: 'web', namespace: 'shop', annotations: INJECTED },
      spec: { initContainers: [{ name: 'lateen-proxy', image: 'lateen/lateen:1.2.3' }] },
    },
    { metadata: { name: 'outside', namespace: 'other' }, spec: {} },
    { metadata: { name: 'on-the-node', namespace: 'shop' }, spec: { hostNetwork: true } },
    { metadata: { name: 'done', namespace: 'shop' }, spec: {}, status: { phase: 'Succeeded' } },
  ]),
  'GET /api/v1/namespaces/shop/configmaps/lateen-ca-root-cert': {
    body: { metadata: { name: 'lateen-ca-root-cert' }, data: { 'root-cert.pem': 'PEM' } },
  },
}

interface Checked extends Ran {
  readonly asked: readonly string[]
}

async function runCheck(t: TestContext, cluster: Cluster, ...args: readonly string[]): Promise<Checked> {
  const asked: string[] = []
  const server = createServer((request: IncomingMessage, response) => {
    const { pathname, search } = new URL(request.url ?? '/', 'http://x')
    asked.push(`${request.method} ${pathname}${search}`)
    const { status = 200, body } = cluster[`${request.method} ${pathname}`] ?? {
      status: 404,
      body: { kind: 'Status', reason: 'NotFound', message: 'not found', code: 404 },
    }
    request.resume().on('end', () => {
      response.writeHead(status, { 'content-type': 'application/json' })
      response.end(JSON.stringify(body))
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  t.after(() => server.close())
  const address = server.address()
  const port = typeof address === 'object' && address !== null ? address.port : 0
  return { ...(await runAgainst(t, `http://127.0.0.1:${port}`, args)), asked }
}

async function runAgainst(t: TestContext, server: string, args: readonly string[]): Promise<Ran> {
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-check-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const kubeconfig = path.join(folder, 'kubeconfig')
  writeFileSync(
    kubeconfig,
    `apiVersion: v1\nkind: Config\ncurrent-context: c\nclusters: [{name: c, cluster: {server: '${server}', insecure-skip-tls-verify: true}}]\nusers: [{name: u, user: {}}]\ncontexts: [{name: c, context: {cluster: c, user: u}}]\n`,
  )
  const { context, heard } = hearingContext({ cwd: folder, env: { KUBECONFIG: kubeconfig } })
  return { code: await check(args, context), ...heard }
}

test('a mesh without a fault: every line says what was seen, and the sum says so', async (t) => {
  const { code, out, asked } = await runCheck(t, HEALTHY)
  assert.equal(code, 0, out)
  assert.match(out, /no problems found\n$/)
  assert.match(out, /ok {7}Deployment lateen-system\/lateen-control-plane: 2 of 2 ready/)
  assert.match(out, /the API server reached the webhook/)
  assert.ok(
    asked.some((each) => each.startsWith('POST /api/v1/namespaces/lateen-system/pods') && each.includes('dryRun=All')),
    'the pod is only pretended',
  )
})

const faults: readonly (readonly [string, Cluster, RegExp])[] = [
  [
    'a webhook that trusts another CA',
    { 'GET /api/v1/namespaces/lateen-system/secrets/lateen-webhook': { body: { metadata: { name: 'x' }, data: { 'ca.crt': 'Tm90' } } } },
    /problem .*1 of 1 entries trust another CA than Secret lateen-webhook has\n +fix: .*lateen upgrade/,
  ],
  [
    'a control plane without a ready replica',
    {
      'GET /apis/apps/v1/namespaces/lateen-system/deployments/lateen-control-plane': {
        body: { metadata: { name: 'x' }, spec: { replicas: 2 }, status: {} },
      },
    },
    /problem .*0 of 2 ready\n +fix: .*kubectl describe pod/,
  ],
  [
    'a webhook that cannot be reached',
    {
      'POST /api/v1/namespaces/lateen-system/pods': { status: 500, body: { kind: 'Status', code: 500, message: 'failed calling webhook' } },
    },
    /problem .*failed calling webhook\n +fix: .*15017/,
  ],
  [
    'a namespace without the root certificate',
    {
      'GET /api/v1/namespaces/shop/configmaps/lateen-ca-root-cert': {
        status: 404,
        body: { kind: 'Status', reason: 'NotFound', code: 404 },
      },
    },
    /problem .*missing in shop/,
  ],
  [
    'a pod that missed injection',
    { 'GET /api/v1/pods': list([{ metadata: { name: 'old', namespace: 'shop' }, spec: {} }]) },
    /problem .*without a sidecar: shop\/old\n +fix: .*rollout restart/,
  ],
  [
    'a sidecar that is too old',
    {
      'GET /api/v1/pods': list([
        {
          metadata: { name: 'web', namespace: 'shop', annotations: INJECTED },
          spec: { containers: [{ name: 'lateen-proxy', image: 'r:5000/lateen/lateen:2.9.0' }] },
        },
      ]),
    },
    /problem .*2\.9\.0 \(1\); this is 1\.2\.3\n +fix: restart the workloads/,
  ],
  [
    'a CRD in a version that is not served',
    { 'GET /apis/apiextensions.k8s.io/v1/customresourcedefinitions': list([]) },
    /problem .*not served: .*virtualservices\.networking\.istio\.io v1/,
  ],
]

for (const [what, change, expected] of faults) {
  test(`${what} is a problem with a fix, and exit code 2`, async (t) => {
    const { code, out } = await runCheck(t, { ...HEALTHY, ...change })
    assert.match(out, expected)
    assert.equal(code, 2)
    assert.match(out, /1 problems, 0 warnings\n$/)
  })
}

test('an API server that does not answer is exit code 3, said once', async (t) => {
  const { code, out } = await runAgainst(t, 'http://127.0.0.1:1', [])
  assert.equal(code, 3)
  assert.equal(out.match(/problem {2}/g)?.length, 1)
})

test('--pre asks for the rights that the chart needs, and names those that are not granted', async (t) => {
  const cluster = {
    ...HEALTHY,
    'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews': { body: { metadata: { name: '' }, status: { allowed: false } } },
  }
  const { code, out, asked } = await runCheck(t, cluster, '--pre')
  assert.equal(code, 2)
  assert.match(out, /not granted: namespaces, customresourcedefinitions, clusterroles/)
  assert.equal(asked.filter((each) => each.includes('selfsubjectaccessreviews')).length, 16)
})

test('--pre warns of CRDs of another owner, other injectors and strict Pod Security', async (t) => {
  const cluster = {
    ...HEALTHY,
    'POST /apis/authorization.k8s.io/v1/selfsubjectaccessreviews': { body: { metadata: { name: '' }, status: { allowed: true } } },
    'GET /apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations': list([
      {
        metadata: { name: 'istio-sidecar-injector' },
        webhooks: [{ namespaceSelector: { matchExpressions: [{ key: 'istio-injection' }] } }],
      },
    ]),
    'GET /api/v1/namespaces': list([{ metadata: { name: 'tight', labels: { 'pod-security.kubernetes.io/enforce': 'restricted' } } }]),
  }
  const { code, out } = await runCheck(t, cluster, '--pre')
  assert.equal(code, 0)
  assert.match(out, /were not made by Helm\n +fix: .*crds\.enabled=false/)
  assert.match(out, /istio-sidecar-injector\n +fix: .*--revision/)
  assert.match(out, /enforced in tight\n +fix: .*restricted/)
})

test('JSON has the same items', async (t) => {
  const { out } = await runCheck(t, HEALTHY, '-o', 'json')
  const value: unknown = JSON.parse(out)
  assert.ok(typeof value === 'object' && value !== null && 'items' in value && Array.isArray(value.items))
  assert.equal(value.items.length, 9)
})
