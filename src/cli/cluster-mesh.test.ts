// The commands that read, against a cluster: an API server that lists and forwards, control planes behind it.
import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { type TestContext, test } from 'node:test'
import { forwardTo, startForwardingServer } from '../kube/port-forward.fixture.ts'
import { type Ran, runWords } from './heard.fixture.ts'

interface Cluster {
  lateen(...words: readonly string[]): Promise<Ran>
  /** Paths that the API server was asked. */
  readonly asked: readonly string[]
}

/** @param replicas by pod, what it answers at which path. */
async function startCluster(t: TestContext, replicas: Readonly<Record<string, Readonly<Record<string, unknown>>>>): Promise<Cluster> {
  const ports = new Map<string, number>()
  for (const [pod, answers] of Object.entries(replicas)) {
    const server = createServer((request, response) => {
      const body = answers[request.url ?? '']
      response.writeHead(body === undefined ? 404 : 200).end(JSON.stringify(body ?? { message: 'no' }))
    })
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    t.after(() => server.close())
    ports.set(pod, (server.address() as AddressInfo).port) // a listening TCP server has one
  }
  const asked: string[] = []
  const items = Object.keys(replicas).map((name) => ({
    metadata: { name, namespace: 'lateen-system', labels: { app: 'lateen-control-plane' } },
    status: { phase: 'Running' },
  }))
  const connection = await startForwardingServer(
    t,
    (socket, request) => {
      asked.push(request.url ?? '')
      forwardTo(ports.get(/pods\/([^/]+)\//.exec(request.url ?? '')?.[1] ?? '') ?? 1)(socket, request)
    },
    (request) => {
      asked.push(request.url ?? '')
      return { kind: 'PodList', apiVersion: 'v1', metadata: { resourceVersion: '1' }, items }
    },
  )
  const folder = mkdtempSync(path.join(tmpdir(), 'lateen-cli-'))
  t.after(() => rmSync(folder, { recursive: true, force: true }))
  const kubeconfig = path.join(folder, 'kubeconfig')
  const named = (name: string, value: object): object => ({ name, ...value })
  writeFileSync(
    kubeconfig,
    JSON.stringify({
      ...{ apiVersion: 'v1', kind: 'Config', 'current-context': 'c' },
      clusters: [named('k', { cluster: { server: connection.server.origin, 'insecure-skip-tls-verify': true } })],
      users: [named('u', { user: {} })],
      contexts: [named('c', { context: { cluster: 'k', user: 'u' } })],
    }),
  )
  return {
    asked,
    lateen: (...words) => runWords(words, { cwd: folder, env: { XDG_STATE_HOME: path.join(folder, 'state'), KUBECONFIG: kubeconfig } }),
  }
}

const proxy = (workload: string, namespace = 'shop'): object => ({
  ...{ workload, namespace, identity: `spiffe://cluster.local/ns/${namespace}/sa/x`, connectedSinceMs: 0 },
  types: { CDS: { state: 'SYNCED' } },
})
const FINDING = {
  ...{ code: 'LTN0235', severity: 'error', path: 'spec', message: 'the secret is missing', hint: 'Create it.' },
  object: { kind: 'Gateway', namespace: 'shop', name: 'edge' },
}

test('proxy-status in a cluster shows the proxies of all replicas, and which replica each is connected to', async (t) => {
  const { lateen, asked } = await startCluster(t, {
    'cp-1': { '/v1/proxies': { proxies: [proxy('web-2'), proxy('other', 'pay')] } },
    'cp-2': { '/v1/proxies': { proxies: [proxy('web-1')] } },
  })
  const { code, out } = await lateen('proxy-status', '-n', 'shop')
  assert.equal(code, 0)
  const lines = out.trim().split('\n')
  assert.equal(lines.length, 3)
  assert.match(lines[0] ?? '', /CONTROL PLANE$/)
  assert.match(lines[1] ?? '', /^web-1\.shop .* cp-2$/)
  assert.match(lines[2] ?? '', /^web-2\.shop .* cp-1$/)
  assert.match(
    asked[0] ?? '',
    /^\/api\/v1\/namespaces\/lateen-system\/pods\?labelSelector=app%3Dlateen-control-plane%2Cistio\.io%2Frev%3Ddefault/,
  )
  assert.ok(asked.includes('/api/v1/namespaces/lateen-system/pods/cp-2/portforward?ports=8081'))
})

test('findings in a cluster are those of a replica that answers, with the exit code of analyze', async (t) => {
  const { lateen } = await startCluster(t, { 'cp-1': {}, 'cp-2': { '/v1/findings': { findings: [FINDING], total: 7 } } })
  const { code, out, err } = await lateen('findings', '-o', 'json')
  assert.equal(code, 2)
  assert.deepEqual(JSON.parse(out), { schemaVersion: 1, findings: [FINDING], total: 7 })
  assert.match(err, /the gravest 1 of 7/)
  assert.equal((await lateen('findings', '-n', 'elsewhere')).code, 0)
})

test('get in a cluster shows the objects as the control plane has them', async (t) => {
  const object = {
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name: 'reviews', namespace: 'shop', labels: {}, annotations: {} },
    spec: { hosts: ['reviews'] },
  }
  const { lateen } = await startCluster(t, { 'cp-1': { '/v1/objects?kind=VirtualService': { objects: [object] } } })
  const { code, out } = await lateen('get', 'vs')
  assert.equal(code, 0)
  assert.match(out, /shop +VirtualService +reviews +reviews +-/)
})

test('where no control plane runs, it is said where it was looked for, with the exit code of a mesh that does not answer', async (t) => {
  const { lateen } = await startCluster(t, {})
  const { code, err } = await lateen('proxy-status', '--system-namespace', 'mesh')
  assert.equal(code, 3)
  assert.match(err, /No control plane of revision 'default' runs in the namespace mesh of .*kubeconfig/)
})

test('a folder of this machine and a cluster cannot be meant together', async (t) => {
  const { lateen } = await startCluster(t, {})
  const { code, err } = await lateen('get', '--state', 'x', '--context', 'c')
  assert.equal(code, 1)
  assert.match(err, /--state means a mesh on this machine/)
})
