// The chart on a real API server: it takes every object of every profile, an upgrade without a change changes nothing, the webhooks' certificate
// stays, and after an uninstall nothing is left. The control plane's pods are not started here: test/e2e does that.
import assert from 'node:assert/strict'
import { type TestContext, test } from 'node:test'
import { chart, helm, objectsIn, PROFILES, render, run, skipWithoutCluster as skip } from './helm.ts'

const NAMESPACE = 'test-chart-cluster'
const REVISION = 'testchart'
/** Nobody's namespaces are touched: a revision of its own, no CRDs, no pods. */
const VALUES = [
  'crds.enabled=false',
  `revision=${REVISION}`,
  'controlPlane.replicas=0',
  'gateways.ingressgateway.enabled=true',
  'gateways.ingressgateway.replicas=0',
]
const sets = VALUES.flatMap((each) => ['--set', each])

function kubectl(...args: readonly string[]): string {
  const done = run('kubectl', args)
  assert.equal(done.code, 0, `kubectl ${args.join(' ')}: ${done.err}`)
  return done.out
}

function namespace(t: TestContext, name: string): void {
  kubectl('create', 'namespace', name)
  t.after(() => kubectl('delete', 'namespace', name, '--wait=false'))
}

/** resourceVersion by object: what does not change is not written. */
function versions(): Readonly<Record<string, string>> {
  const kinds =
    'deployments,services,serviceaccounts,configmaps,secrets,roles,rolebindings,poddisruptionbudgets,networkpolicies,mutatingwebhookconfigurations,validatingwebhookconfigurations,clusterroles,clusterrolebindings'
  const items: unknown = JSON.parse(
    kubectl('get', kinds, '-n', NAMESPACE, '-l', `app.kubernetes.io/part-of=lateen,istio.io/rev=${REVISION}`, '-o', 'json'),
  )
  assert.ok(typeof items === 'object' && items !== null && 'items' in items && Array.isArray(items.items))
  return Object.fromEntries(
    items.items.map(({ kind, metadata }: { kind: string; metadata: { name: string; resourceVersion: string; generation?: number } }) => [
      `${kind}/${metadata.name}`,
      // Deployments' status is written by their controller; their generation counts what we change.
      kind === 'Deployment' || kind === 'PodDisruptionBudget' ? `generation ${metadata.generation}` : metadata.resourceVersion,
    ]),
  )
}

for (const profile of PROFILES) {
  test(`a real API server takes every object of profile ${profile}`, { skip }, (t) => {
    const name = `test-chart-${profile}`
    namespace(t, name)
    const more = ['-n', name, '--no-hooks']
    const text = render([`profile=${profile}`, 'gateways.ingressgateway.enabled=true', 'gateways.egressgateway.enabled=true'], more)
    const done = run('kubectl', ['apply', '--server-side', '--force-conflicts', '--dry-run=server', '--validate=strict', '-f', '-'], text)
    assert.equal(done.code, 0, done.err)
    assert.equal(done.out.trim().split('\n').length, objectsIn(text).length)
    assert.doesNotMatch(done.err, /Warning/)
  })
}

test('install, upgrade without a change, rollback, uninstall: nothing moves, and nothing is left', { skip }, (t) => {
  namespace(t, NAMESPACE)
  t.after(() => void helm('uninstall', 'lateen-test', '-n', NAMESPACE, '--no-hooks'))
  const installed = helm('install', 'lateen-test', chart, '-n', NAMESPACE, ...sets)
  assert.equal(installed.code, 0, installed.err)
  assert.match(installed.out, /kubectl label namespace default istio\.io\/rev=testchart/)
  const before = versions()
  assert.ok(Object.keys(before).length >= 12, Object.keys(before).join(' '))

  const manifest = helm('get', 'manifest', 'lateen-test', '-n', NAMESPACE).out
  const upgraded = helm('upgrade', 'lateen-test', chart, '-n', NAMESPACE, ...sets)
  assert.equal(upgraded.code, 0, upgraded.err)
  assert.equal(helm('get', 'manifest', 'lateen-test', '-n', NAMESPACE).out, manifest)
  assert.deepEqual(versions(), before)

  const rotated = helm('upgrade', 'lateen-test', chart, '-n', NAMESPACE, ...sets, '--set-string', 'injector.certificate.generation=2')
  assert.equal(rotated.code, 0, rotated.err)
  const after = versions()
  const changed = Object.keys(after).filter((key) => after[key] !== before[key])
  assert.deepEqual(changed.toSorted(), [
    `MutatingWebhookConfiguration/lateen-injector-${REVISION}`,
    `Secret/lateen-webhook-${REVISION}`,
    `ValidatingWebhookConfiguration/lateen-validator-${REVISION}-${NAMESPACE}`,
  ])

  const back = helm('rollback', 'lateen-test', '1', '-n', NAMESPACE)
  assert.equal(back.code, 0, back.err)
  assert.equal(helm('get', 'manifest', 'lateen-test', '-n', NAMESPACE).out, manifest)

  const gone = helm('uninstall', 'lateen-test', '-n', NAMESPACE, '--no-hooks', '--wait')
  assert.equal(gone.code, 0, gone.err)
  assert.deepEqual(versions(), {})
})
