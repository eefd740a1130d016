// Injected pods in front of a real API server: it takes every one of them (server-side dry run: all of its validation and admission), and
// Pod Security holds what is promised: without capture 'restricted' takes the pod, with capture 'baseline' is what forbids NET_ADMIN.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { systemClock } from '../../src/base/clock.ts'
import { createKubeClient, type KubeClient } from '../../src/kube/client.ts'
import { loadConnection } from '../../src/kube/load-connection.ts'
import { resourceOf } from '../../src/kube/resource.ts'
import { inject, readCases } from './injection-case.ts'

const kubeconfig = process.env.LATEEN_TEST_KUBECONFIG
const skip = kubeconfig === undefined ? 'needs an API server: set LATEEN_TEST_KUBECONFIG to a kubeconfig of a cluster for tests' : false

async function connect(t: TestContext): Promise<KubeClient> {
  const connection = await loadConnection({ clock: systemClock, env: {}, kubeconfig })
  assert.ok(connection.ok)
  const client = createKubeClient(connection.value, { clock: systemClock, userAgent: 'lateen-test' })
  t.after(() => client.close())
  return client
}

/** With the service accounts that the pods name, as the controller would have made them. */
async function makeNamespace(t: TestContext, client: KubeClient, name: string, level: string): Promise<void> {
  const namespace = resourceOf('Namespace')
  const labels = { 'pod-security.kubernetes.io/enforce': level }
  const made = await client.create(namespace, { apiVersion: 'v1', kind: 'Namespace', metadata: { name, labels } })
  assert.ok(made.ok || made.failure.reason === 'AlreadyExists', made.ok ? '' : made.failure.message)
  t.after(() => client.delete(namespace, { name }))
  for (const account of ['default', 'bookinfo-reviews', 'ingress']) {
    const created = await client.create(resourceOf('ServiceAccount'), {
      apiVersion: 'v1',
      kind: 'ServiceAccount',
      metadata: { name: account, namespace: name },
    })
    assert.ok(created.ok || created.failure.reason === 'AlreadyExists', created.ok ? '' : created.failure.message)
  }
}

/** The API server's reason for refusing, or undefined. */
async function refusal(client: KubeClient, namespace: string, pod: object): Promise<string | undefined> {
  const { metadata, ...rest } = structuredClone(pod) as { metadata: Record<string, unknown> } // a pod has metadata
  // Nobody owns a dry run; an owner that does not exist is no business of injection.
  const { ownerReferences: _owner, ...own } = metadata
  const draft = { apiVersion: 'v1', kind: 'Pod', ...rest, metadata: { ...own, namespace } }
  const made = await client.create(resourceOf('Pod'), draft as never, { dryRun: true, fieldValidation: 'Strict' }) // any pod is a draft
  return made.ok ? undefined : made.failure.message
}

test('a real API server takes every injected pod that it takes without the proxy', { skip }, async (t) => {
  const client = await connect(t)
  await makeNamespace(t, client, 'test-webhook-any', 'privileged')
  const refused: string[] = []
  for (const each of readCases()) {
    const made = inject(each)
    if (!made.ok) continue
    const reason = await refusal(client, 'test-webhook-any', made.value.pod)
    // What the pod's author wrote himself: a probe of a port that is not there.
    if (reason !== undefined && each.name !== 'probes') refused.push(`${each.name}: ${reason}`)
  }
  assert.deepEqual(refused, [])
})

test("Pod Security 'restricted' takes a pod without capture, and refuses one with capture for NET_ADMIN alone", { skip }, async (t) => {
  const client = await connect(t)
  await makeNamespace(t, client, 'test-webhook-restricted', 'restricted')
  const restricted = readCases().find(({ name }) => name === 'capture-none')
  assert.ok(restricted !== undefined)
  const [none, init] = [restricted, { ...restricted, config: {} }].map((each) => inject(each))
  assert.ok(none?.ok && init?.ok)

  assert.equal(await refusal(client, 'test-webhook-restricted', none.value.pod), undefined)
  const reason = (await refusal(client, 'test-webhook-restricted', init.value.pod)) ?? ''
  assert.match(reason, /lateen-init/)
  assert.doesNotMatch(reason, /lateen-proxy/)
})
