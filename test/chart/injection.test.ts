// Whom the webhook is called for: Istio's decision table and our own label, asked of the selectors that the chart renders.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { isRecord } from '../../src/api/record.ts'
import { at, objects, skipWithoutHelm as skip } from './helm.ts'

type Labels = Readonly<Record<string, string>>

interface Entry {
  readonly owner: string
  readonly name: string
  readonly namespaceSelector: unknown
  readonly objectSelector: unknown
}

function entries(...sets: readonly string[]): readonly Entry[] {
  return objects('crds.enabled=false', ...sets)
    .filter(({ kind }) => kind === 'MutatingWebhookConfiguration')
    .flatMap((configuration) => {
      const hooks = at(configuration, 'webhooks')
      assert.ok(Array.isArray(hooks))
      return hooks.map((hook: unknown) => ({
        owner: String(at(hook, 'clientConfig.service.name')),
        name: String(at(hook, 'name')),
        namespaceSelector: at(hook, 'namespaceSelector'),
        objectSelector: at(hook, 'objectSelector'),
      }))
    })
}

/** As the API server matches: all expressions; NotIn is true of a label that is not there. */
function selects(selector: unknown, labels: Labels): boolean {
  const expressions = at(selector, 'matchExpressions')
  assert.ok(Array.isArray(expressions))
  return expressions.every((expression: unknown) => {
    assert.ok(isRecord(expression))
    const value = labels[String(expression.key)]
    const values = Array.isArray(expression.values) ? expression.values : []
    switch (expression.operator) {
      case 'In':
        return value !== undefined && values.includes(value)
      case 'NotIn':
        return value === undefined || !values.includes(value)
      case 'DoesNotExist':
        return value === undefined
      default:
        throw new Error(`operator ${String(expression.operator)}`)
    }
  })
}

function callsFor(all: readonly Entry[], namespace: Labels, pod: Labels, name = 'shop'): readonly string[] {
  const labels = { 'kubernetes.io/metadata.name': name, ...namespace }
  return all.filter((entry) => selects(entry.namespaceSelector, labels) && selects(entry.objectSelector, pod)).map(({ owner }) => owner)
}

const DEFAULT = 'lateen-control-plane'
const V2 = 'lateen-control-plane-v2'

/** namespace's labels, pod's labels, who is called; two control planes: the default one and v2. */
const TABLE: readonly (readonly [Labels, Labels, string | undefined])[] = [
  [{ 'istio-injection': 'enabled' }, {}, DEFAULT],
  [{ 'istio-injection': 'enabled' }, { 'sidecar.istio.io/inject': 'true' }, DEFAULT],
  [{ 'istio-injection': 'enabled' }, { 'sidecar.istio.io/inject': 'false' }, undefined],
  [{ 'istio-injection': 'enabled', 'istio.io/rev': 'v2' }, {}, DEFAULT],
  [{ 'istio-injection': 'disabled' }, { 'sidecar.istio.io/inject': 'true' }, undefined],
  [{ 'istio.io/rev': 'v2' }, {}, V2],
  [{ 'istio.io/rev': 'v2' }, { 'sidecar.istio.io/inject': 'false' }, undefined],
  [{ 'istio.io/rev': 'default' }, {}, DEFAULT],
  [{}, { 'sidecar.istio.io/inject': 'true' }, DEFAULT],
  [{}, { 'sidecar.istio.io/inject': 'true', 'istio.io/rev': 'v2' }, V2],
  [{}, { 'istio.io/rev': 'v2' }, V2],
  [{}, {}, undefined],
  [{ 'lateen.dev/injection': 'enabled' }, {}, DEFAULT],
  [{ 'lateen.dev/injection': 'enabled' }, { 'sidecar.istio.io/inject': 'false' }, undefined],
  [{ 'lateen.dev/injection': 'enabled', 'istio-injection': 'enabled' }, {}, DEFAULT],
  [{ 'lateen.dev/injection': 'enabled', 'istio.io/rev': 'v2' }, {}, V2],
  [{ 'lateen.dev/injection': 'disabled' }, { 'sidecar.istio.io/inject': 'true' }, undefined],
  [{ 'lateen.dev/injection': 'disabled', 'istio-injection': 'enabled' }, {}, undefined],
  [{ 'lateen.dev/injection': 'disabled', 'istio.io/rev': 'v2' }, {}, undefined],
]

test("the namespace's and the pod's labels decide, and exactly one control plane is called", { skip }, () => {
  const both = [...entries(), ...entries('revision=v2')]
  for (const [namespace, pod, expected] of TABLE) {
    const what = `namespace ${JSON.stringify(namespace)}, pod ${JSON.stringify(pod)}`
    assert.deepEqual(callsFor(both, namespace, pod), expected === undefined ? [] : [expected], what)
  }
})

test('whatever the labels, no pod is injected by two entries', { skip }, () => {
  const both = [...entries('injector.enableNamespacesByDefault=true'), ...entries('revision=v2', 'revisionTags={stable}')]
  const choices = (key: string, ...values: readonly string[]): readonly Labels[] => [{}, ...values.map((value) => ({ [key]: value }))]
  for (const istio of choices('istio-injection', 'enabled', 'disabled', 'other'))
    for (const own of choices('lateen.dev/injection', 'enabled', 'disabled'))
      for (const rev of choices('istio.io/rev', 'default', 'v2', 'stable', 'none'))
        for (const inject of choices('sidecar.istio.io/inject', 'true', 'false'))
          for (const podRev of choices('istio.io/rev', 'default', 'v2', 'stable'))
            for (const name of ['shop', 'lateen-system']) {
              const namespace = { ...istio, ...own, ...rev }
              const pod = { ...inject, ...podRev }
              const calls = callsFor(both, namespace, pod, name)
              assert.ok(calls.length <= 1, `${name} ${JSON.stringify(namespace)} ${JSON.stringify(pod)}: ${calls.join(', ')}`)
            }
})

test("Kubernetes' own namespaces are never injected; in the system namespace only who asks for it", { skip }, () => {
  const all = entries('injector.enableNamespacesByDefault=true')
  for (const name of ['kube-system', 'kube-public', 'kube-node-lease'])
    assert.deepEqual(callsFor(all, { 'istio-injection': 'enabled' }, { 'sidecar.istio.io/inject': 'true' }, name), [])
  assert.deepEqual(callsFor(all, { 'istio-injection': 'enabled' }, {}, 'lateen-system'), [])
  assert.deepEqual(callsFor(all, {}, { 'sidecar.istio.io/inject': 'true' }, 'lateen-system'), [DEFAULT])
})

test('the tag `default` takes the common labels over', { skip }, () => {
  const tagged = entries('revision=v2', 'revisionTags={default}')
  assert.deepEqual(callsFor(tagged, { 'istio-injection': 'enabled' }, {}), [V2])
  assert.deepEqual(callsFor(tagged, { 'lateen.dev/injection': 'enabled' }, {}), [V2])
})
