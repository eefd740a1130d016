// Two control planes of different revisions in one cluster: a namespace chooses, both kinds of pods speak to each other, and the second goes
// without a trace. This is how a new version is tried.
import assert from 'node:assert/strict'
import { after, test } from 'node:test'
import { waitFor } from '../harness/wait.ts'
import { apply, kubectl, list, type Seen } from './harness/kubectl.ts'
import { helm, upgrade, valuesOfRelease } from './harness/release.ts'
import { namespaceObject, SYSTEM } from './harness/story.ts'
import { callerIn, deploy } from './harness/workloads.ts'

const CANARY = 'lateen-canary'
const STABLE_NAMESPACE = 'e2e-revision-stable'
const CANARY_NAMESPACE = 'e2e-revision-canary'

const STRICT = {
  apiVersion: 'security.istio.io/v1',
  kind: 'PeerAuthentication',
  metadata: { name: 'default' },
  spec: { mtls: { mode: 'STRICT' } },
}

/** Of the control plane that the sidecar asks, as written at injection. */
function controlPlaneOf(pod: Seen | undefined): string {
  return /lateen-control-plane[\w-]*(?=\.)/.exec(JSON.stringify(pod?.spec ?? {}))?.[0] ?? 'none'
}

async function callsAcross(from: string, to: string): Promise<void> {
  const client = await callerIn(from, 'app=app')
  const answer = await waitFor(
    async () => {
      const seen = await client.call({ url: `http://app.${to}:8080/` })
      return seen.status === 200 && seen
    },
    { what: `a call from ${from} to ${to}`, timeoutMs: 10_000 },
  )
  assert.match(answer.body, new RegExp(`URI=spiffe://cluster.local/ns/${from}/sa/app`), 'the called one knows the caller')
}

after(async () => {
  await helm(['uninstall', CANARY, '--wait', '--timeout', '110s', '--ignore-not-found'])
  await kubectl('delete', 'namespace', STABLE_NAMESPACE, CANARY_NAMESPACE, '--wait=false', '--ignore-not-found')
})

test('two revisions coexist: each injects its namespaces, and their pods speak mutual TLS', { timeout: 180_000 }, async () => {
  const only = ['revision=canary', 'crds.enabled=false', 'gateways.ingressgateway.enabled=false', 'gateways.egressgateway.enabled=false']
  await upgrade(CANARY, await valuesOfRelease(), only)
  await apply([namespaceObject(STABLE_NAMESPACE), namespaceObject(CANARY_NAMESPACE, { 'istio.io/rev': 'canary' })])
  await Promise.all([apply([STRICT], STABLE_NAMESPACE), apply([STRICT], CANARY_NAMESPACE)])
  await Promise.all([deploy(STABLE_NAMESPACE, { name: 'app' }), deploy(CANARY_NAMESPACE, { name: 'app' })])
  assert.equal(controlPlaneOf((await list('pods', STABLE_NAMESPACE))[0]), 'lateen-control-plane')
  assert.equal(controlPlaneOf((await list('pods', CANARY_NAMESPACE))[0]), 'lateen-control-plane-canary')
  await callsAcross(STABLE_NAMESPACE, CANARY_NAMESPACE)
  await callsAcross(CANARY_NAMESPACE, STABLE_NAMESPACE)
})

test('when the second is uninstalled, the first goes on with its authority', { timeout: 180_000 }, async () => {
  await helm(['uninstall', CANARY, '--wait', '--timeout', '110s'])
  assert.match(await kubectl('get', 'secret', '-n', SYSTEM, '-o', 'name'), /lateen-ca-secret/)
  const webhooks = await kubectl('get', 'mutatingwebhookconfigurations,validatingwebhookconfigurations', '-o', 'name')
  assert.doesNotMatch(webhooks, /canary/)
  assert.match(webhooks, /lateen/)
  // Its namespace moves to the first one, as after a tried version that was not kept.
  await kubectl('label', 'namespace', CANARY_NAMESPACE, 'istio.io/rev-', 'istio-injection=enabled')
  await kubectl('rollout', 'restart', 'deployment', '-n', CANARY_NAMESPACE)
  await kubectl('rollout', 'status', 'deployment/app', '-n', CANARY_NAMESPACE, '--timeout=60s')
  await waitFor(async () => (await list('pods', CANARY_NAMESPACE)).length === 1, { what: 'the old pod is gone', timeoutMs: 60_000 })
  assert.equal(controlPlaneOf((await list('pods', CANARY_NAMESPACE))[0]), 'lateen-control-plane')
  await callsAcross(STABLE_NAMESPACE, CANARY_NAMESPACE)
  await callsAcross(CANARY_NAMESPACE, STABLE_NAMESPACE)
})
