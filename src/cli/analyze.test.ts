// `lateen analyze` and `lateen explain`: words and text in, output and exit code out.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parse as parseYaml } from 'yaml'
import { type Ran, runWords } from './heard.fixture.ts'

const lateen = (words: readonly string[], input = ''): Promise<Ran> => runWords(words, { cwd: import.meta.dirname, input })

const SERVICE = `apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 9080}]}
---
`
const TWO_MISTAKES = `${SERVICE}apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews}
spec:
  hosts: [reviews]
  gateways:
    - mesh
    - edge
  http:
    - route:
        - destination:
            host: reviws
`

test('Findings of compile and of analysis stand at the line of their field', async () => {
  const { code, out } = await lateen(['analyze', '-'], TWO_MISTAKES)

  assert.equal(code, 2)
  assert.match(out, /^stdin:17:19: error LTN0201 /m)
  assert.match(out, /^stdin:13:7: error LTN0301 /m)
  assert.match(out, /^\d errors?/m)
})

test('-o table has a line for each, -o json and -o yaml say the same, with a version of their schema', async () => {
  const table = await lateen(['analyze', '-', '-o', 'table'], TWO_MISTAKES)
  assert.match(table.out, /^SEVERITY +CODE +OBJECT +FIELD +PLACE +MESSAGE$/m)
  assert.match(table.out, /^error +LTN0301 +VirtualService default\/reviews +spec\.gateways\[1\] +stdin:13:7 +there is no Gateway/m)

  const json: unknown = JSON.parse((await lateen(['analyze', '-', '-o', 'json'], TWO_MISTAKES)).out)
  const yaml: unknown = parseYaml((await lateen(['analyze', '-', '-o', 'yaml'], TWO_MISTAKES)).out)
  assert.deepEqual(yaml, json)
  assert.equal((json as { readonly schemaVersion: number }).schemaVersion, 1)
})

test('--fail-on moves the line, --ignore leaves codes out, in both ways to write several', async () => {
  const warning = `${SERVICE.replace('name: http, ', '')}`
  assert.equal((await lateen(['analyze', '-'], warning)).code, 0)
  assert.equal((await lateen(['analyze', '-', '--fail-on', 'warning'], warning)).code, 0)
  assert.equal((await lateen(['analyze', '-', '--fail-on', 'info'], warning)).code, 2)
  assert.equal((await lateen(['analyze', '-', '--fail-on', 'never'], TWO_MISTAKES)).code, 0)
  for (const words of [['LTN0201,LTN0301,LTN0102'], ['LTN0201', 'LTN0301', 'ltn0102']]) {
    assert.deepEqual(await lateen(['analyze', '-', '--ignore', ...words], TWO_MISTAKES), {
      code: 0,
      out: 'no problems found\n',
      err: '',
    })
  }
})

test('a wrong word in an option is exit code 1 and says which words there are', async () => {
  for (const [words, message] of [
    [['-o', 'xml'], /--output is 'xml'; it must be one of text, table, json, yaml/],
    [['--fail-on', 'errors'], /--fail-on is 'errors'/],
    [['--ignore', 'LTN9999'], /there is no code 'LTN9999'/],
  ] as const) {
    const { code, err } = await lateen(['analyze', '-', ...words], SERVICE)
    assert.equal(code, 1)
    assert.match(err, message)
  }
})

test('the same object in one text twice is said, as the control plane says it', async () => {
  const { out } = await lateen(['analyze', '-'], `${SERVICE}${SERVICE}`)

  assert.match(out, /^stdin:6:1: error LTN0107 /m)
})

test('explain code says what a code means; without a code it lists all; a slip gets a suggestion', async () => {
  const one = await lateen(['explain', 'code', 'ltn0301'])
  assert.equal(one.code, 0)
  assert.match(one.out, /^LTN0301 \(error\): A VirtualService names a gateway that does not exist\n\nMessage: .*\nWhy: .*\nFix: /)
  assert.match((await lateen(['explain', 'code'])).out, /^LTN0101 +error +/m)
  const slip = await lateen(['explain', 'code', 'LTN031'])
  assert.equal(slip.code, 1)
  assert.match(slip.err, /did you mean LTN0/)
  assert.equal((await lateen(['explain', 'weather'])).code, 1)
})

const codesIn = (out: string): readonly string[] => [...out.matchAll(/\b(?:error|warning|info) (LTN\d{4})/g)].map(([, code]) => code ?? '')

test('an object silences remarks about itself, not what keeps it from working', async () => {
  const rule = (annotations: string): string => `${SERVICE}apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews, annotations: {${annotations}}}
spec: {host: reviews, subsets: [{name: v9, labels: {version: v9}}]}
---
apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: reviews, annotations: {galley.istio.io/analyze-suppress: "*"}}
spec: {hosts: [reviews], http: [{route: [{destination: {host: reviws}}]}]}
`
  assert.deepEqual(codesIn((await lateen(['analyze', '-'], rule(''))).out), ['LTN0204', 'LTN0201'])
  assert.deepEqual(codesIn((await lateen(['analyze', '-'], rule('galley.istio.io/analyze-suppress: IST0173'))).out), ['LTN0201'])
  assert.deepEqual(codesIn((await lateen(['analyze', '-'], rule('lateen.dev/analyze-suppress: LTN0207'))).out), ['LTN0204', 'LTN0201'])
})

test("Istio's ConfigMap among the files is the mesh's settings", async () => {
  const map = (name: string, namespace: string): string =>
    `---\napiVersion: v1\nkind: ConfigMap\nmetadata: {name: ${name}, namespace: ${namespace}}\ndata:\n  mesh: |\n    accessLogFile: /dev/stdout\n`
  assert.deepEqual(codesIn((await lateen(['analyze', '-'], map('istio', 'istio-system'))).out), [])
  assert.deepEqual(codesIn((await lateen(['analyze', '-'], map('istio', 'default'))).out), ['LTN0232'])
  const two = map('istio', 'istio-system') + map('istio-canary', 'istio-system')
  assert.deepEqual(codesIn((await lateen(['analyze', '-'], two)).out), ['LTN0205'])
})

test('the pods of a Deployment count as the workloads that subsets and selectors select', async () => {
  const deployment = `apiVersion: apps/v1
kind: Deployment
metadata: {name: reviews-v1}
spec: {selector: {matchLabels: {app: reviews}}, template: {metadata: {labels: {app: reviews, version: v1}}, spec: {containers: [{name: a, ports: [{containerPort: 9080}]}]}}}
---
`
  const rule = `---
apiVersion: networking.istio.io/v1
kind: DestinationRule
metadata: {name: reviews}
spec: {host: reviews, subsets: [{name: v1, labels: {version: v1}}, {name: v2, labels: {version: v2}}]}
`
  const { out } = await lateen(['analyze', '-', '-o', 'json'], deployment + SERVICE + rule)
  const found: { findings: readonly { code: string; path: string }[] } = JSON.parse(out)
  assert.deepEqual(
    found.findings.map(({ code, path }) => `${code} ${path}`),
    ['LTN0204 spec.subsets[1]'],
  )
})

test('what is only of Kubernetes in the same file is passed over; a slip in the name of a kind is not', async () => {
  const others = ['apps/v1 Deployment', 'v1 ConfigMap', 'v1 ServiceAccount', 'batch/v1 Job', 'rbac.authorization.k8s.io/v1 Role'].map(
    (each) => {
      const [apiVersion, kind] = each.split(' ')
      return `apiVersion: ${apiVersion}\nkind: ${kind}\nmetadata: {name: a}\n---\n`
    },
  )
  const { out, code } = await lateen(['analyze', '-'], others.join('') + SERVICE)
  assert.match(out, /no problems found/)
  assert.equal(code, 0)
  for (const slip of [
    'apiVersion: apps/v1\nkind: Deploymnt',
    'apiVersion: v1\nkind: Deployment',
    'apiVersion: networking.istio.io/v1\nkind: Gatewy',
  ])
    assert.deepEqual(codesIn((await lateen(['analyze', '-'], `${slip}\nmetadata: {name: a}\n`)).out), ['LTN0105'])
})
