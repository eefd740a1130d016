import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse, parseAllDocuments } from 'yaml'
import { injectPod } from '../webhook/inject.ts'
import { defaultInjectorConfig } from '../webhook/injector-config.ts'
import { readPod } from '../webhook/pod.ts'
import { injectText } from './kube-inject.ts'

const options = { mesh: { config: defaultInjectorConfig(), meshDefaults: {} }, namespace: 'shop', version: 'test' }

const DEPLOYMENT = `# The shop's front.
apiVersion: apps/v1
kind: Deployment
metadata:
  name: web # its name
  labels: &labels {app: web}
spec:
  replicas: 2 # two of them
  selector:
    matchLabels: *labels
  template:
    metadata:
      labels: *labels
    spec:
      containers:
      - name: web
        # pinned
        image: "app:1"
        ports: [{name: http, containerPort: 8080}]
        livenessProbe: {httpGet: {path: /live, port: http}}
`

const OTHER = `# Not a workload; keeps   its spaces.
apiVersion: v1
kind: ConfigMap
metadata: {name:   odd}
data:
    a: 'b'
`

test('a workload gets the sidecar in its template, and everything else stays', () => {
  const { text, refused } = injectText(DEPLOYMENT, 'web.yaml', options)

  assert.equal(refused, false)
  const made = parse(text)
  assert.deepEqual(
    made.spec.template.spec.initContainers.map(({ name }: { name: string }) => name),
    ['lateen-proxy', 'lateen-init'],
  )
  for (const comment of ["# The shop's front.", '# its name', '# two of them', '# pinned']) assert.ok(text.includes(comment), comment)
  assert.deepEqual(made.spec.selector.matchLabels, { app: 'web' })
  assert.deepEqual(made.metadata.labels, { app: 'web' })
  assert.match(text, /\n {6}- name: web\n/, 'lists stay where the author put them')
})

test('documents without a pod keep every character', () => {
  const { text } = injectText(`${OTHER}---\n${DEPLOYMENT}---\n${OTHER}`, 'all.yaml', options)

  assert.ok(text.startsWith(OTHER))
  assert.ok(text.endsWith(OTHER))
  assert.equal(parseAllDocuments(text).length, 3)
  assert.equal(injectText(`${OTHER}---\n${OTHER}`, 'none.yaml', options).text, `${OTHER}---\n${OTHER}`)
})

test('what the webhook makes of the pod later is the same', () => {
  const made = parse(injectText(DEPLOYMENT, 'web.yaml', options).text).spec.template
  const hash = { 'pod-template-hash': 'abc' }
  const ownerReferences = [{ apiVersion: 'apps/v1', kind: 'ReplicaSet', name: 'web-abc', controller: true }]
  const template = parse(DEPLOYMENT).spec.template
  const pod = readPod({
    metadata: { generateName: 'web-abc-', ownerReferences, labels: { ...template.metadata.labels, ...hash } },
    spec: template.spec,
  })
  assert.ok(pod.ok)
  const input = { pod: pod.value, namespace: 'shop', ...options.mesh, nativeSidecars: true, version: 'test' }
  const direct = injectPod(input)
  assert.ok(direct.ok)

  const text = (value: unknown): string => JSON.stringify(value).replaceAll('\\"pod-template-hash\\":\\"abc\\",', '')
  assert.equal(text(made.spec.initContainers), text(direct.value.pod.spec.initContainers))
  assert.deepEqual(made.spec.containers, direct.value.pod.spec.containers)
  assert.deepEqual(made.metadata.annotations, direct.value.pod.metadata.annotations)
  assert.deepEqual({ ...made.metadata.labels, ...hash }, direct.value.pod.metadata.labels)
})

test('a pod that kube-inject made is left as it is by the webhook', () => {
  const file = 'apiVersion: v1\nkind: Pod\nmetadata: {name: web}\nspec: {containers: [{name: web, image: app}]}\n'
  const pod = readPod(parse(injectText(file, 'pod.yaml', options).text))
  assert.ok(pod.ok)

  const again = injectPod({ pod: pod.value, namespace: 'shop', ...options.mesh, nativeSidecars: true, version: 'test' })

  assert.ok(again.ok)
  assert.deepEqual(again.value.pod, pod.value)
})

for (const kind of ['StatefulSet', 'DaemonSet', 'ReplicaSet', 'Job', 'ReplicationController']) {
  test(`a ${kind} is injected`, () => {
    const file = `apiVersion: apps/v1\nkind: ${kind}\nmetadata: {name: a}\nspec:\n  template:\n    spec:\n      containers: [{name: a, image: a}]\n`
    const { text } = injectText(file, 'a.yaml', options)

    assert.match(text, /lateen-proxy/)
    assert.match(text, new RegExp(`/${kind.toLowerCase()}s/a\\\\?"`))
  })
}

test('a CronJob and the items of a List are injected, once each', () => {
  const cronJob =
    'apiVersion: batch/v1\nkind: CronJob\nmetadata: {name: a}\nspec: {jobTemplate: {spec: {template: {metadata: null, spec: {containers: [{name: a, image: a}]}}}}}'
  const file = `apiVersion: v1\nkind: List\nitems:\n${[
    cronJob,
    DEPLOYMENT.replace(/&labels |\*labels/g, '')
      .replaceAll('matchLabels: \n', 'matchLabels: {app: web}\n')
      .replaceAll('labels: \n', 'labels: {app: web}\n'),
  ]
    .map(
      (each) =>
        `- ${each
          .replace(/^#.*\n/, '')
          .trimEnd()
          .replaceAll('\n', '\n  ')}`,
    )
    .join('\n')}\n`

  const { items } = parse(injectText(file, 'list.yaml', options).text)

  assert.equal(items[0].spec.jobTemplate.spec.template.spec.initContainers.length, 2)
  assert.equal(items[1].spec.template.spec.initContainers.length, 2)
})

test('injecting the result again changes nothing', () => {
  const once = injectText(DEPLOYMENT, 'web.yaml', options).text

  assert.deepEqual(parse(injectText(once, 'web.yaml', options).text), parse(once))
})

test('a pod that is not injected is said to be so, and a value that cannot be meant is refused', () => {
  const out = injectText(
    DEPLOYMENT.replace('      labels: *labels', '      labels: {sidecar.istio.io/inject: "false"}'),
    'web.yaml',
    options,
  )
  const bad = injectText(
    DEPLOYMENT.replace('      labels: *labels', '      annotations: {sidecar.istio.io/proxyCPU: lots}'),
    'web.yaml',
    options,
  )

  assert.match(out.notes[0] ?? '', /^Deployment web: not injected: the pod has sidecar.istio.io\/inject=false/)
  assert.equal(out.refused, false)
  assert.match(bad.notes[0] ?? '', /proxyCPU/)
  assert.equal(bad.refused, true)
})
