// Identity on a real cluster: its API server decides whose a token is, and keeps the root. In a namespace of this test's own.
import assert from 'node:assert/strict'
import { X509Certificate } from 'node:crypto'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { silentLogger } from '../../src/base/log.ts'
import { systemRandom } from '../../src/base/random.ts'
import { formatProblems } from '../../src/base/result.ts'
import { Watchable } from '../../src/base/watchable.ts'
import { keepRootConfigMaps } from '../../src/ca/root-config-maps.ts'
import { createKubeClient, type KubeClient } from '../../src/kube/client.ts'
import { loadConnection } from '../../src/kube/load-connection.ts'
import { resourceOf } from '../../src/kube/resource.ts'
import { kubectl } from '../e2e/harness/kubectl.ts'
import { type ClusterCa, startClusterCa } from '../harness/cluster-ca.ts'
import { waitFor } from '../harness/wait.ts'

const kubeconfig = process.env.LATEEN_TEST_KUBECONFIG
const skip = kubeconfig === undefined ? 'needs an API server: set LATEEN_TEST_KUBECONFIG to a kubeconfig of a cluster for tests' : false

interface Place {
  readonly client: KubeClient
  readonly namespace: string
  readonly kubectl: (...args: readonly string[]) => Promise<string>
}

async function place(t: TestContext): Promise<Place> {
  const connection = await loadConnection({ clock: systemClock, env: process.env, kubeconfig })
  assert.ok(connection.ok)
  const client = createKubeClient(connection.value, { clock: systemClock })
  const namespace = `test-identity-${systemRandom().toString(36).slice(2, 8)}`
  const made = await client.create(resourceOf('Namespace'), { metadata: { name: namespace } })
  assert.ok(made.ok)
  t.after(async () => {
    await client.delete(resourceOf('Namespace'), { name: namespace })
    client.close()
  })
  return { client, namespace, kubectl: (...args) => kubectl('--kubeconfig', kubeconfig ?? '', '-n', namespace, ...args) }
}

async function tokenOf({ kubectl: run }: Place, account: string, audience: string): Promise<string> {
  return (await run('create', 'token', account, '--audience', audience)).trim()
}

async function why(ca: ClusterCa, account: string, token: string): Promise<string> {
  const answer = await ca.ask(account, token)
  return answer.ok ? 'issued' : formatProblems(answer.problems)
}

test('a ServiceAccount gets a certificate for itself by its token, renews it by the certificate, and nothing else', { skip }, async (t) => {
  const at = await place(t)
  const ca = await startClusterCa(t, at.client, at.namespace)
  await at.kubectl('create', 'serviceaccount', 'cart')
  const token = await tokenOf(at, 'cart', 'lateen-ca')

  const first = await ca.ask('cart', token)
  assert.ok(first.ok, first.ok ? '' : formatProblems(first.problems))
  const leaf = new X509Certificate(first.value.chain[0] ?? '')
  assert.equal(leaf.subjectAltName, `URI:spiffe://cluster.local/ns/${at.namespace}/sa/cart`)
  assert.ok(leaf.verify(new X509Certificate(ca.rootsPem).publicKey))
  assert.ok((await ca.ask('cart', first.value)).ok)

  assert.match(await why(ca, 'price', token), /a workload gets a certificate for itself only/)
  assert.match(await why(ca, 'cart', await tokenOf(at, 'cart', 'somebody-else')), /does not accept the ServiceAccount token/)
  assert.match(await why(ca, 'cart', `${token.slice(0, -8)}AAAAAAAA`), /does not accept the ServiceAccount token/)

  // A token that was not seen before, so that nothing is remembered of it.
  const late = await tokenOf(at, 'cart', 'lateen-ca')
  await at.kubectl('delete', 'serviceaccount', 'cart')
  await waitFor(async () => /does not accept/.test(await why(ca, 'cart', late)), {
    what: 'the token of a deleted account is refused',
    timeoutMs: 30_000,
  })
})

test('the root is made once and every replica of a control plane has it; it is in a namespace within a second', { skip }, async (t) => {
  const at = await place(t)
  const [one, two] = await Promise.all([startClusterCa(t, at.client, at.namespace), startClusterCa(t, at.client, at.namespace)])
  assert.equal(one.rootsPem, two.rootsPem)
  assert.equal((await startClusterCa(t, at.client, at.namespace)).rootsPem, one.rootsPem)

  const maps = keepRootConfigMaps({
    ...{ client: at.client, namespaces: new Watchable(new Set([at.namespace])), rootsPem: new Watchable(one.rootsPem) },
    ...{ isLeader: new Watchable(true), watchNamespaces: [at.namespace], clock: systemClock, random: systemRandom, log: silentLogger },
  })
  t.after(() => maps.stop())
  await waitFor(() => maps.isWritten(one.rootsPem), { what: 'the roots are in the namespace' })
  await at.kubectl('delete', 'configmap', 'lateen-ca-root-cert')
  await waitFor(() => maps.isWritten(one.rootsPem), { what: 'the roots are restored' })
})
