// What the control plane's account may do, as a table: a right more or less is a change of this file, and so of a review.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRecord } from '../../src/api/record.ts'
import { at, objects, type Rendered, skipWithoutHelm as skip } from './helm.ts'

const MESH = [
  'extensions.istio.io/wasmplugins',
  'networking.istio.io/destinationrules',
  'networking.istio.io/envoyfilters',
  'networking.istio.io/gateways',
  'networking.istio.io/proxyconfigs',
  'networking.istio.io/serviceentries',
  'networking.istio.io/sidecars',
  'networking.istio.io/virtualservices',
  'networking.istio.io/workloadentries',
  'networking.istio.io/workloadgroups',
  'security.istio.io/authorizationpolicies',
  'security.istio.io/peerauthentications',
  'security.istio.io/requestauthentications',
  'telemetry.istio.io/telemetries',
]
const READ = 'get list watch'

const EVERYWHERE: readonly string[] = [
  'authentication.k8s.io/tokenreviews: create',
  'authorization.k8s.io/subjectaccessreviews: create',
  `namespaces: ${READ}`,
  `nodes: ${READ}`,
  `pods: ${READ}`,
  `serviceaccounts: ${READ}`,
  `services: ${READ}`,
  `discovery.k8s.io/endpointslices: ${READ}`,
  ...MESH.flatMap((kind) => [`${kind}: ${READ}`, `${kind}/status: patch update`]),
  'configmaps: create',
  `configmaps[lateen-ca-root-cert]: ${READ} update patch delete`,
  'events: create patch',
  'events.k8s.io/events: create patch',
]

const SYSTEM_NAMESPACE: readonly string[] = [
  'coordination.k8s.io/leases: create',
  `coordination.k8s.io/leases[lateen-leader]: ${READ} update patch`,
  'secrets: create',
  `secrets[lateen-ca-secret,cacerts]: ${READ} update patch`,
  `configmaps[lateen,lateen-injector]: ${READ}`,
]

/** `group/resource[names]: verbs`, one line per group and resource. */
function linesOf(role: Rendered): readonly string[] {
  const strings = (value: unknown): readonly string[] => (Array.isArray(value) ? value.map(String) : [])
  const rules = at(role, 'rules')
  assert.ok(Array.isArray(rules))
  return rules.flatMap((rule: unknown) => {
    assert.ok(isRecord(rule))
    const names = strings(rule.resourceNames)
    const suffix = `${names.length === 0 ? '' : `[${names.join(',')}]`}: ${strings(rule.verbs).join(' ')}`
    return strings(rule.apiGroups).flatMap((group) =>
      strings(rule.resources).map((resource) => `${group === '' ? '' : `${group}/`}${resource}${suffix}`),
    )
  })
}

/** Roles bound to the control plane's account: `where` -> lines. */
function rightsOf(list: readonly Rendered[]): Readonly<Record<string, readonly string[]>> {
  const bindings = list.filter((each) => each.kind.endsWith('Binding') && JSON.stringify(each.subjects).includes('"lateen-control-plane"'))
  return Object.fromEntries(
    bindings.map((binding) => {
      const kind = String(at(binding, 'roleRef.kind'))
      const name = String(at(binding, 'roleRef.name'))
      const namespace = binding.metadata.namespace
      const role = list.find((each) => each.kind === kind && each.metadata.name === name && each.metadata.namespace === namespace)
      assert.ok(role, `${kind} ${name} is bound and not there`)
      return [kind === 'ClusterRole' ? 'everywhere' : `${namespace} ${name}`, linesOf(role)]
    }),
  )
}

test('the rights of the control plane are these and no others', { skip }, () => {
  const rights = rightsOf(objects())
  assert.deepEqual(Object.keys(rights).toSorted(), ['everywhere', 'lateen-system lateen-control-plane'])
  assert.deepEqual(rights.everywhere?.toSorted(), EVERYWHERE.toSorted())
  assert.deepEqual(rights['lateen-system lateen-control-plane']?.toSorted(), SYSTEM_NAMESPACE.toSorted())
})

test('Secrets are read only in namespaces that are named or where a gateway runs', { skip }, () => {
  const rights = rightsOf(
    objects('secrets.namespaces={certs}', 'gateways.ingressgateway.enabled=true', 'gateways.ingressgateway.namespace=edge'),
  )
  for (const namespace of ['certs', 'edge'])
    assert.deepEqual(rights[`${namespace} lateen-control-plane-secrets`], [`secrets: ${READ}`], namespace)
  assert.ok(!rights.everywhere?.some((line) => line.startsWith('secrets')))
  assert.ok(rightsOf(objects('secrets.clusterWide=true')).everywhere?.includes(`secrets: ${READ}`))
})

test('with namespaces to watch, everything that has a namespace is granted there and nowhere else', { skip }, () => {
  const rights = rightsOf(objects('watchNamespaces={shop}'))
  assert.deepEqual(rights.everywhere?.toSorted(), EVERYWHERE.filter((line) => line.includes('reviews')).toSorted())
  const inside = EVERYWHERE.filter((line) => !/reviews|^namespaces|^nodes/.test(line))
  assert.deepEqual(rights['shop lateen-control-plane-watch']?.toSorted(), inside.toSorted())
})
