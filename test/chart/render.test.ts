// What the chart renders, without a cluster: every profile, what it refuses, names of two control planes, security of every pod.
import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import path from 'node:path'
import { test } from 'node:test'
import { readInjectorConfig } from '../../src/webhook/injector-config.ts'
import { at, chart, helm, objects, only, PROFILES, type Rendered, render, root, skipWithoutHelm as skip } from './helm.ts'

const GATEWAYS = ['gateways.ingressgateway.enabled=true', 'gateways.egressgateway.enabled=true']
const RESTRICTED = { allowPrivilegeEscalation: false, readOnlyRootFilesystem: true, capabilities: { drop: ['ALL'] } }
const podTemplates = (list: readonly Rendered[]): readonly Rendered[] =>
  list.filter(({ kind }) => ['Deployment', 'Job', 'Pod'].includes(kind))
const podSpec = (object: Rendered): unknown => (object.kind === 'Pod' ? object.spec : at(object, 'spec.template.spec'))

for (const profile of PROFILES) {
  test(`profile ${profile} passes helm lint`, { skip }, () => {
    const done = helm('lint', '--strict', chart, '--set', `profile=${profile}`)
    assert.equal(done.code, 0, done.out + done.err)
  })

  test(`profile ${profile}: the injector understands its configuration`, { skip }, () => {
    const config = at(only(objects(`profile=${profile}`), 'ConfigMap', 'lateen-injector'), 'data.config')
    const read = readInjectorConfig(String(config))
    assert.ok(read.ok, JSON.stringify(read))
    assert.equal(read.value.capture, profile === 'restricted' ? 'none' : 'init')
    assert.equal(read.value.controlPlane.address, 'lateen-control-plane.lateen-system.svc:15012')
  })

  test(`profile ${profile}: every pod of ours passes Pod Security 'restricted'`, { skip }, () => {
    for (const object of podTemplates(objects(`profile=${profile}`, ...GATEWAYS))) {
      const spec = podSpec(object)
      assert.equal(at(spec, 'securityContext.runAsNonRoot'), true, object.metadata.name)
      assert.equal(at(spec, 'securityContext.seccompProfile.type'), 'RuntimeDefault', object.metadata.name)
      const containers = at(spec, 'containers')
      assert.ok(Array.isArray(containers) && containers.length > 0)
      for (const container of containers) {
        for (const [field, value] of Object.entries(RESTRICTED)) assert.deepEqual(at(container, `securityContext.${field}`), value)
      }
    }
  })
}

test('what is not in the schema is refused by name', { skip }, () => {
  for (const wrong of ['contolPlane.replicas=2', 'proxy.captur=none', 'profile=huge', 'gateways.ingressgateway.servce.type=NodePort']) {
    const done = helm('template', 'lateen', chart, '--set', wrong)
    assert.notEqual(done.code, 0, wrong)
    assert.match(done.err, /additional properties|must be one of|value must be/, wrong)
  }
})

test("what the user sets wins over the profile, also when it is 'false' or nothing", { skip }, () => {
  const list = objects('profile=ha', 'controlPlane.autoscaling.enabled=false', 'controlPlane.pdb.enabled=false', 'controlPlane.replicas=2')
  assert.equal(at(only(list, 'Deployment', 'lateen-control-plane'), 'spec.replicas'), 2)
  assert.equal(list.filter(({ kind }) => kind === 'PodDisruptionBudget' || kind === 'HorizontalPodAutoscaler').length, 0)
})

test('with an autoscaler the chart does not render the number of replicas', { skip }, () => {
  const list = objects('profile=ha')
  const spec = at(only(list, 'Deployment', 'lateen-control-plane'), 'spec')
  assert.ok(typeof spec === 'object' && spec !== null && !('replicas' in spec))
  assert.equal(at(only(list, 'HorizontalPodAutoscaler', 'lateen-control-plane'), 'spec.minReplicas'), 3)
  assert.equal(at(only(list, 'PodDisruptionBudget', 'lateen-control-plane'), 'spec.unhealthyPodEvictionPolicy'), 'AlwaysAllow')
})

test('an injected gateway names its pull policy, because `auto` without a tag would always be pulled', { skip }, () => {
  const injected = 'gateways.ingressgateway.injected=true'
  const deployment = only(objects(...GATEWAYS, injected, 'image.pullPolicy=Never'), 'Deployment', 'lateen-ingressgateway')
  assert.equal(at(deployment, 'spec.template.spec.containers.0.image'), 'auto')
  assert.equal(at(deployment, 'spec.template.spec.containers.0.imagePullPolicy'), 'Never')
})

test('two revisions have no object in common', { skip }, () => {
  const keys = (list: readonly Rendered[]): ReadonlySet<string> =>
    new Set(list.map(({ kind, metadata }) => `${kind} ${metadata.namespace ?? ''}/${metadata.name}`))
  const sets = ['crds.enabled=false', ...GATEWAYS]
  const first = keys(objects(...sets))
  const second = keys(objects(...sets, 'revision=v2', 'revisionTags={stable}'))
  assert.deepEqual(
    [...first].filter((each) => second.has(each)),
    [],
  )
})

test('a revision and a tag of the same name are one object, so that helm refuses the second release', { skip }, () => {
  const names = (...sets: readonly string[]): readonly string[] =>
    objects(...sets).flatMap(({ kind, metadata }) => (kind === 'MutatingWebhookConfiguration' ? [metadata.name] : []))
  assert.deepEqual(names(), ['lateen-injector-default'])
  assert.deepEqual(names('revision=v2', 'revisionTags={default}'), ['lateen-injector-v2', 'lateen-injector-default'])
})

test('the CRDs are those of crds/, kept when the release goes, and left out when asked', { skip }, () => {
  const names = readdirSync(path.join(root, 'crds')).filter((name) => name.endsWith('.yaml'))
  for (const name of names) {
    assert.equal(readFileSync(path.join(chart, 'files/crds', name), 'utf8'), readFileSync(path.join(root, 'crds', name), 'utf8'), name)
  }
  const crds = (list: readonly Rendered[]): readonly Rendered[] => list.filter(({ kind }) => kind === 'CustomResourceDefinition')
  const kept = crds(objects())
  assert.equal(kept.length, names.length)
  assert.ok(kept.every(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy'] === 'keep'))
  assert.ok(crds(objects('crds.keep=false')).every(({ metadata }) => metadata.annotations?.['helm.sh/resource-policy'] === undefined))
  assert.equal(crds(objects('crds.enabled=false')).length, 0)
})

test('but for the certificate, which needs a cluster to be read back, two renderings are the same', { skip }, () => {
  const own = [
    'injector.certificate.source=secret',
    'injector.certificate.secretName=own',
    'injector.certificate.caBundle=Q0E=',
    ...GATEWAYS,
  ]
  assert.equal(render(own), render(own))
  assert.notEqual(render(), render())
})

test('a certificate of cert-manager leaves the CA to its injector, one of your own must come with its CA', { skip }, () => {
  const list = objects('injector.certificate.source=certManager')
  const webhooks = only(list, 'MutatingWebhookConfiguration', 'lateen-injector-default')
  assert.equal(webhooks.metadata.annotations?.['cert-manager.io/inject-ca-from'], 'lateen-system/lateen-webhook')
  assert.ok(!JSON.stringify(webhooks).includes('caBundle'))
  assert.deepEqual(at(only(list, 'Certificate', 'lateen-webhook'), 'spec.dnsNames'), ['lateen-control-plane.lateen-system.svc'])
  assert.match(helm('template', 'x', chart, '--set', 'injector.certificate.source=secret').err, /injector\.certificate\.secretName/)
})

test('a namespace-scoped install reads nothing outside its namespaces', { skip }, () => {
  const list = objects('watchNamespaces={shop,pay}')
  const rules = at(only(list, 'ClusterRole', 'lateen-control-plane'), 'rules')
  assert.ok(Array.isArray(rules))
  assert.deepEqual(
    rules.flatMap((rule: unknown) => at(rule, 'resources')),
    ['tokenreviews', 'subjectaccessreviews'],
  )
  for (const namespace of ['shop', 'pay']) assert.ok(list.some(({ kind, metadata }) => kind === 'Role' && metadata.namespace === namespace))
})

test('the hook that removes the webhooks may delete exactly those of the release', { skip }, () => {
  const list = objects('revision=v2', 'revisionTags={stable}')
  const rules = at(only(list, 'ClusterRole', 'lateen-uninstall-v2'), 'rules')
  const named = list.filter(({ kind }) => kind.endsWith('WebhookConfiguration')).map(({ metadata }) => metadata.name)
  assert.ok(Array.isArray(rules))
  const deletes = rules.filter((rule: unknown) => JSON.stringify(at(rule, 'verbs')).includes('delete'))
  assert.deepEqual(deletes.flatMap((rule: unknown) => at(rule, 'resourceNames')).sort(), [...named, 'lateen-ca-root-cert'].sort())
  const environment = JSON.stringify(only(list, 'Job', 'lateen-remove-webhooks-v2').spec)
  for (const name of named) assert.ok(environment.includes(name), name)
})
