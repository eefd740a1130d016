// Large texts: the same reading as of small ones, in bounded steps.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldFinder, type ReadText, readYaml, readYamlSteps } from './read-yaml.ts'

const options = { defaultNamespace: 'default' }

const route = (name: string, field = 'route'): string =>
  `apiVersion: networking.istio.io/v1
kind: VirtualService
metadata: {name: ${name}}
spec:
  hosts: [${name}]
  http:
    - ${field}: [{destination: {host: ${name}}}]
`
const asItem = (text: string): string => text.trimEnd().replace(/^/gm, '  ').replace(/^ {2}/, '- ')
const list = (items: readonly string[]): string => `apiVersion: v1\nitems:\n${items.map(asItem).join('\n')}\nkind: List\nmetadata: {}\n`
const names = (count: number): readonly string[] => Array.from({ length: count }, (_, index) => `a${index}`)

function stepsOf(text: string): { readonly read: ReadText; readonly largest: number; readonly count: number } {
  const steps = readYamlSteps(text, 'f.yaml', options)
  let [largest, count] = [0, 0]
  for (;;) {
    const step = steps.next()
    if (step.done === true) return { read: step.value, largest, count }
    largest = Math.max(largest, step.value)
    count++
  }
}

test('a text of many documents is read document by document', () => {
  const { read, largest, count } = stepsOf(
    names(2000)
      .map((name) => route(name))
      .join('---\n'),
  )

  assert.equal(read.objects.length, 2000)
  assert.equal(count, 2000)
  assert.ok(largest < 1000)
})

test('a long List is read item by item, with the places of the whole text', () => {
  const items = names(1000).map((name, index) => route(name, index === 700 ? 'rout' : 'route'))
  const text = `# of kubectl get\n${list(items)}`
  const { read, largest } = stepsOf(text)

  assert.equal(read.objects.length, 999)
  assert.ok(largest < 1000)
  const [found] = read.findings
  assert.equal(found?.code, 'LTN0110')
  const line = text.split('\n')[(found?.position?.line ?? 0) - 1] ?? ''
  assert.equal(line.indexOf('rout:') + 1, found?.position?.column)
  const last = read.objects.at(-1)
  const place = last?.source === undefined ? undefined : fieldFinder(text)(last.source, ['spec', 'hosts', 0])
  assert.deepEqual(text.split('\n')[(place?.line ?? 0) - 1], '    hosts: [a999]')
})

test('cut or whole, a List says the same', () => {
  const items = names(40).map((name, index) => route(name, index % 7 === 0 ? 'rout' : 'route'))
  const short = readYaml(list(items), 'f.yaml', options)
  const padded = list(items).replace('kind: List\n', `kind: List\n# ${'x'.repeat(70_000)}\n`)
  const long = readYaml(padded, 'f.yaml', options)

  assert.deepEqual(long, short)
})

test('a text that only looks like a List is not cut', () => {
  const text = `apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\nitems:\n${'- a\n'.repeat(20_000)}`

  assert.deepEqual(
    readYaml(text, 'f.yaml', options).findings.map(({ code }) => code),
    ['LTN0105'],
  )
})

test('one document beyond the limit is refused by name, its neighbours are read', () => {
  const long = route('long').replace('spec:\n', `spec:\n${'  # comment\n'.repeat(30_000)}`)
  const { objects, findings } = readYaml(`${route('a')}---\n${long}---\n${route('b')}`, 'f.yaml', options)

  assert.deepEqual(
    objects.map(({ metadata }) => metadata.name),
    ['a', 'b'],
  )
  assert.deepEqual(
    findings.map(({ code, position }) => [code, position?.line]),
    [['LTN0106', 8]],
  )
})

test('long JSON is read as JSON, Lists and single objects', () => {
  const object = (name: string): object => ({
    apiVersion: 'networking.istio.io/v1',
    kind: 'VirtualService',
    metadata: { name },
    spec: { hosts: [name], http: [{ route: [{ destination: { host: name } }] }] },
  })
  const text = JSON.stringify({ apiVersion: 'v1', kind: 'List', items: names(3000).map(object) })

  assert.equal(readYaml(text, 'f.json', options).objects.length, 3000)
  assert.deepEqual(
    readYaml(`${text}}`, 'f.json', options).findings.map(({ code }) => code),
    ['LTN0101'],
  )
})

test("directives and '...' keep a text in one piece", () => {
  const text = `%YAML 1.2\n---\n${route('a')}...\n---\n${route('b')}`

  assert.deepEqual(
    readYaml(text, 'f.yaml', options).objects.map(({ metadata, source }) => [metadata.name, source?.line, source?.document]),
    [
      ['a', 3, 0],
      ['b', 12, 1],
    ],
  )
})
