import assert from 'node:assert/strict'
import { test } from 'node:test'
import { decideInjection, type InjectReason, selects } from './decide.ts'
import { defaultInjectorConfig, type InjectorConfig } from './injector-config.ts'
import { readPod, type Texts } from './pod.ts'

interface Asked {
  readonly namespace?: string
  /** Undefined: not known. */
  readonly labels?: Texts | undefined
  readonly pod?: { readonly labels?: Texts; readonly annotations?: Texts; readonly spec?: object }
  readonly rules?: Partial<InjectorConfig>
}

function decide({ namespace = 'shop', labels, pod = {}, rules = {} }: Asked): {
  readonly answer: string
  readonly warnings: readonly string[]
} {
  const read = readPod({
    metadata: { labels: pod.labels, annotations: pod.annotations },
    spec: { containers: [{ name: 'a' }], ...pod.spec },
  })
  assert.ok(read.ok)
  const made = decideInjection({ pod: read.value, namespace, namespaceLabels: labels, rules: { ...defaultInjectorConfig(), ...rules } })
  assert.ok(made.sentence.length > 10)
  return { answer: `${made.inject ? 'yes' : 'no'} ${made.reason}`, warnings: made.warnings }
}

const inject = (value: string): { readonly labels: Texts } => ({ labels: { 'sidecar.istio.io/inject': value } })
const rev = (value: string): { readonly labels: Texts } => ({ labels: { 'istio.io/rev': value } })
const enabled = { 'istio-injection': 'enabled' }
const never = { neverInjectSelector: [{ matchLabels: { job: 'build' } }] }
const always = { alwaysInjectSelector: [{ matchExpressions: [{ key: 'app', operator: 'Exists' as const }] }], policy: 'disabled' as const }

/** Istio's table (namespace label, pod label), then the injector's own order; `lateen.dev/injection` beside it. */
const TABLE: readonly (readonly [string, Asked, `${'yes' | 'no'} ${InjectReason}`])[] = [
  ['enabled namespace', { labels: enabled }, 'yes policy-enabled'],
  ['enabled namespace, pod true', { labels: enabled, pod: inject('true') }, 'yes pod-opted-in'],
  ['enabled namespace, pod false', { labels: enabled, pod: inject('false') }, 'no pod-opted-out'],
  ['enabled beats a revision on the same namespace', { labels: { ...enabled, 'istio.io/rev': 'canary' } }, 'yes policy-enabled'],
  ['enabled is the business of the default revision', { labels: enabled, rules: { revision: 'canary' } }, 'no other-revision'],
  [
    'enabled is the business of the tag default',
    { labels: enabled, rules: { revision: 'canary', revisionTags: ['default'] } },
    'yes policy-enabled',
  ],
  ['disabled namespace, pod true', { labels: { 'istio-injection': 'disabled' }, pod: inject('true') }, 'no namespace-disabled'],
  ['a label with another value is not enabled', { labels: { 'istio-injection': 'yes' }, pod: inject('true') }, 'no namespace-disabled'],
  ['revision of this control plane', { labels: { 'istio.io/rev': 'canary' }, rules: { revision: 'canary' } }, 'yes policy-enabled'],
  ['revision, pod false', { labels: { 'istio.io/rev': 'default' }, pod: inject('false') }, 'no pod-opted-out'],
  ['another revision', { labels: { 'istio.io/rev': 'canary' } }, 'no other-revision'],
  ['a tag of this revision', { labels: { 'istio.io/rev': 'prod' }, rules: { revisionTags: ['prod'] } }, 'yes policy-enabled'],
  ['no label', { labels: {} }, 'no namespace-not-enabled'],
  ['no label, pod true', { labels: {}, pod: inject('true') }, 'yes pod-opted-in'],
  [
    'no label, pod true and another revision',
    { labels: {}, pod: { labels: { ...inject('true').labels, 'istio.io/rev': 'canary' } } },
    'no other-revision',
  ],
  ['no label, pod of this revision', { labels: {}, pod: rev('default') }, 'yes policy-enabled'],
  ['no label, pod true, this is another revision', { labels: {}, pod: inject('true'), rules: { revision: 'canary' } }, 'no other-revision'],
  ['no label, namespaces enabled by default', { labels: {}, rules: { enableNamespacesByDefault: true } }, 'yes policy-enabled'],
  ["Lateen's label", { labels: { 'lateen.dev/injection': 'enabled' } }, 'yes policy-enabled'],
  [
    "Lateen's label switches off what Istio's switches on",
    { labels: { ...enabled, 'lateen.dev/injection': 'disabled' } },
    'no namespace-disabled',
  ],
  ['node network', { labels: enabled, pod: { ...inject('true'), spec: { hostNetwork: true } } }, 'no host-network'],
  ["Kubernetes' namespace", { namespace: 'kube-system', labels: enabled, pod: inject('true') }, 'no system-namespace'],
  ['namespace not known', {}, 'yes policy-enabled'],
  ['annotation false', { pod: { annotations: { 'sidecar.istio.io/inject': 'false' } } }, 'no pod-opted-out'],
  ['label beats annotation', { pod: { ...inject('true'), annotations: { 'sidecar.istio.io/inject': 'false' } } }, 'yes pod-opted-in'],
  ['never selector', { pod: { labels: { job: 'build' } }, rules: never }, 'no never-selector'],
  [
    'pod true beats the never selector',
    { pod: { labels: { job: 'build', 'sidecar.istio.io/inject': 'true' } }, rules: never },
    'yes pod-opted-in',
  ],
  ['always selector beats the policy', { pod: { labels: { app: 'a' } }, rules: always }, 'yes always-selector'],
  ['policy disabled', { rules: always }, 'no policy-disabled'],
]

for (const [name, asked, expected] of TABLE) {
  test(`${name}: ${expected}`, () => assert.equal(decide(asked).answer, expected))
}

test('a value that is neither true nor false is ignored and said', () => {
  const { answer, warnings } = decide({ pod: inject('yes') })

  assert.equal(answer, 'yes policy-enabled')
  assert.match(warnings[0] ?? '', /'yes', which is neither true nor false/)
})

test('an empty selector matches nothing', () => {
  assert.equal(selects({}, { a: 'b' }), false)
  assert.equal(selects({ matchLabels: {}, matchExpressions: [] }, { a: 'b' }), false)
})

test('selectors have the four operators of Kubernetes', () => {
  const labels = { a: '1' }
  const holds = (operator: 'In' | 'NotIn' | 'Exists' | 'DoesNotExist', key: string, values: readonly string[] = []): boolean =>
    selects({ matchExpressions: [{ key, operator, values }] }, labels)

  assert.deepEqual([holds('In', 'a', ['1']), holds('In', 'a', ['2']), holds('In', 'b', ['1'])], [true, false, false])
  assert.deepEqual([holds('NotIn', 'a', ['1']), holds('NotIn', 'b', ['1'])], [false, true])
  assert.deepEqual([holds('Exists', 'a'), holds('Exists', 'b')], [true, false])
  assert.deepEqual([holds('DoesNotExist', 'a'), holds('DoesNotExist', 'b')], [false, true])
})
