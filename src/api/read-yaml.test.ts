import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import fc from 'fast-check'
import { readCorpus } from '../../test/corpus/corpus.ts'
import { type Finding, formatFinding } from './finding.ts'
import { readYaml } from './read-yaml.ts'

const options = { defaultNamespace: 'default' }
const virtualService = (spec: string): string =>
  `apiVersion: networking.istio.io/v1\nkind: VirtualService\nmetadata:\n  name: reviews\nspec:\n${spec}`

function only(text: string, code: string): Finding {
  const found = readYaml(text, 'f.yaml', options).findings.filter((finding) => finding.code === code)
  assert.equal(found.length, 1, JSON.stringify(found))
  const [first] = found
  assert.ok(first !== undefined)
  return first
}

test('an unknown field is placed at its name and the nearest known one is offered', () => {
  const found = only(virtualService('  hosts: [a]\n  http:\n    - rout: []\n      route: [{destination: {host: a}}]\n'), 'LTN0110')

  assert.deepEqual(found.position, { file: 'f.yaml', line: 8, column: 7 })
  assert.equal(found.path, 'spec.http[0].rout')
  assert.match(found.message, /did you mean 'route'\?/)
})

test('a wrong value is placed at the value', () => {
  const found = only(virtualService('  hosts: [a]\n  http: [{timeout:   soon, route: [{destination: {host: a}}]}]\n'), 'LTN0116')

  assert.deepEqual(found.position, { file: 'f.yaml', line: 7, column: 22 })
})

test('a missing field is placed at the mapping that lacks it', () => {
  const found = only(virtualService('  hosts: [a]\n  http:\n    - route:\n        - destination: {subset: v1}\n'), 'LTN0111')

  assert.deepEqual(found.position, { file: 'f.yaml', line: 9, column: 11 })
  assert.equal(found.path, 'spec.http[0].route[0].destination.host')
})

test('a field behind an alias is placed where it was written', () => {
  const found = only(virtualService('  hosts: [a]\n  http:\n    - route: &r [{destination: {host: a}, weigth: 1}]\n'), 'LTN0110')

  assert.deepEqual(found.position, { file: 'f.yaml', line: 8, column: 43 })
})

test('lines of later documents count from the start of the file', () => {
  const found = only(
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\n# comment\napiVersion: v1\nkind: Namespce\nmetadata: {name: b}\n',
    'LTN0105',
  )

  assert.deepEqual(found.position, { file: 'f.yaml', line: 7, column: 7 })
  assert.match(found.message, /did you mean 'Namespace'\?/)
})

test('a broken document costs its own objects, not those of its neighbours', () => {
  const { objects, findings, broken } = readYaml(
    'apiVersion: v1\nkind: Namespace\nmetadata: {name: a}\n---\na: b\na: c\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: c}\n',
    'f.yaml',
    options,
  )

  assert.deepEqual(
    objects.map(({ metadata }) => metadata.name),
    ['a', 'c'],
  )
  assert.deepEqual(
    findings.map(({ code, position }) => [code, position?.line]),
    [['LTN0101', 6]],
  )
  assert.equal(broken, true)
})

test('every problem of an object is reported at once', () => {
  const { findings } = readYaml(virtualService('  hosts: a\n  htp: []\n  http: [{route: [{weight: x}], timeout: 0s}]\n'), 'f.yaml', options)

  assert.deepEqual(
    findings
      .map(({ code, path }) => `${code} ${path}`)
      .filter((text) => !text.startsWith('LTN0102'))
      .sort(),
    [
      'LTN0110 spec.htp',
      'LTN0111 spec.http[0].route[0].destination',
      'LTN0112 spec.hosts',
      'LTN0112 spec.http[0].route[0].weight',
      'LTN0116 spec.http[0].timeout',
    ],
  )
})

test('an object gets the default namespace, and a kind without namespaces none', () => {
  const { objects } = readYaml(
    'apiVersion: v1\nkind: ServiceAccount\nmetadata: {name: a}\n---\napiVersion: v1\nkind: Namespace\nmetadata: {name: b}\n',
    'f',
    options,
  )

  assert.deepEqual(
    objects.map(({ metadata }) => metadata.namespace),
    ['default', ''],
  )
})

test('aliases that would grow without end are refused', () => {
  const bomb = ['a0: &a0 [x, x]', ...Array.from({ length: 30 }, (_, n) => `a${n + 1}: &a${n + 1} [*a${n}, *a${n}]`)].join('\n')

  assert.match(only(bomb, 'LTN0106').message, /too many aliases/)
})

test('a text nested thousands deep is refused', () => {
  assert.equal(readYaml('['.repeat(200_000), 'f', options).broken, true)
  assert.equal(readYaml('{a: '.repeat(200_000), 'f', options).broken, true)
})

test('a text beyond the limit is refused unread', () => {
  assert.match(only('#'.repeat(16 * 1024 * 1024 + 1), 'LTN0106').message, /the limit is 16777216/)
})

test('names of built-in properties are ordinary names', () => {
  const found = readYaml(
    virtualService('  hosts: [a]\n  constructor: {}\n  toString: 1\n  http: [{route: [{destination: {host: a}}]}]\n'),
    'f',
    options,
  ).findings

  assert.deepEqual(
    found.map(({ code, path }) => `${code} ${path}`),
    ['LTN0110 spec.constructor', 'LTN0110 spec.toString'],
  )
})

test('a field that only stock Envoys do is named once, at the topmost place', () => {
  const found = only(
    virtualService('  hosts: [a]\n  http:\n    - route: [{destination: {host: a}}]\n      fault: {abort: {httpStatus: 503}}\n'),
    'LTN0121',
  )

  assert.equal(found.path, 'spec.http[0].fault')
  assert.deepEqual(found.position, { file: 'f.yaml', line: 9, column: 7 })
  assert.equal(found.severity, 'warning')
})

test('a security kind that is not in force is an error that says that the workloads deny', () => {
  const found = only('apiVersion: security.istio.io/v1\nkind: AuthorizationPolicy\nmetadata: {name: a}\nspec: {}\n', 'LTN0104')

  assert.equal(found.severity, 'error')
  assert.match(found.message, /denies all requests/)
})

test('another kind that is not in force is a warning on the object, which stays', () => {
  const text = 'apiVersion: networking.istio.io/v1beta1\nkind: ProxyConfig\nmetadata: {name: a}\nspec: {concurrency: 2}\n'

  assert.equal(only(text, 'LTN0103').severity, 'warning')
  assert.equal(readYaml(text, 'f', options).objects.length, 1)
})

test('a Finding prints as one line that an editor can follow', () => {
  const found = only('apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec: {ports: [{port: 0}]}\n', 'LTN0117')

  assert.equal(
    formatFinding(found),
    'f.yaml:4:23: error LTN0117: Service default/a: spec.ports[0].port: 0 is out of bounds: at least 1. Choose a value within the bound.',
  )
})

test('whatever a text says, reading it answers and never throws', () => {
  const seeds = ['good', 'bad'].flatMap((folder) =>
    readCorpus(fileURLToPath(new URL(`../../test/corpus/${folder}`, import.meta.url))).map(({ text }) => text),
  )
  const noise = fc.constantFrom(
    '',
    ' ',
    '\n',
    ':',
    '- ',
    '{',
    '}',
    '[',
    ']',
    '"',
    "'",
    '&a ',
    '*a',
    '!!binary ',
    '|',
    '\t',
    '\u0000',
    '~',
    '1e999',
    '---\n',
  )
  const mutated = fc
    .tuple(fc.constantFrom(...seeds), fc.array(fc.tuple(fc.nat(4000), fc.nat(20), noise), { maxLength: 6 }))
    .map(([text, cuts]) =>
      cuts.reduce(
        (at, [start, length, put]) => at.slice(0, start % (at.length + 1)) + put + at.slice((start % (at.length + 1)) + length),
        text,
      ),
    )

  fc.assert(
    fc.property(mutated, (text) => {
      const { objects, findings, broken } = readYaml(text, 'f', options)
      if (broken) assert.ok(findings.some(({ severity }) => severity === 'error'))
      for (const { position } of findings) assert.ok(position !== undefined && position.line >= 1 && position.column >= 1)
      for (const { metadata } of objects) assert.ok(metadata.name !== '')
    }),
    { seed: 4711, numRuns: 1500 },
  )
})
