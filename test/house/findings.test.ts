import assert from 'node:assert/strict'
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { type CatalogueEntry, catalogue } from '../../src/api/catalogue.ts'
import { apiVersionsOf, kinds } from '../../src/api/kinds.ts'
import { readYaml } from '../../src/api/read-yaml.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { findAll } from '../../src/cli/analyze.ts'
import { readCorpus, readMeshCorpus } from '../corpus/corpus.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))
const entries: readonly (readonly [string, CatalogueEntry])[] = Object.entries(catalogue)
const codes = entries.map(([code]) => code).sort()

function filesIn(folder: string, wanted: (file: string) => boolean): readonly string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = `${folder}/${entry.name}`
    return entry.isDirectory() ? filesIn(path, wanted) : wanted(path) ? [path] : []
  })
}

function codesIn(files: readonly string[]): ReadonlySet<string> {
  return new Set(files.flatMap((file) => readFileSync(join(root, file), 'utf8').match(/\bLTN\d{4}\b/g) ?? []))
}

const isTest = (file: string): boolean => file.endsWith('.test.ts')
const isSource = (file: string): boolean => file.endsWith('.ts') && !isTest(file) && !file.startsWith('src/api/catalogue')

test('docs/findings.md has the codes of the catalogue, and no others', () => {
  const page = readFileSync(join(root, 'docs/findings.md'), 'utf8')
  const headings = [...page.matchAll(/^## (LTN\d{4})$/gm)].map(([, code]) => code)

  assert.deepEqual(headings, codes, 'run npm run gen')
})

test('every code that the source names is in the catalogue, and every code of the catalogue is reported somewhere', () => {
  const used = codesIn(filesIn('src', isSource))

  assert.deepEqual(
    [...used].filter((code) => !codes.includes(code)),
    [],
    'codes without an entry in src/api/catalogue/',
  )
  assert.deepEqual(
    codes.filter((code) => !used.has(code)),
    [],
    'codes that nothing reports: remove them or report them',
  )
})

test('every code is produced by the corpus or asserted by a test', () => {
  const produced = new Set<string>()
  for (const folder of ['good', 'bad']) {
    for (const found of readCorpus(join(root, 'test/corpus', folder))) {
      for (const { code } of readYaml(found.text, found.file, { defaultNamespace: 'default', compileRegex }).findings) produced.add(code)
    }
  }
  for (const { expected } of readMeshCorpus(join(root, 'test/corpus/mesh'))) {
    for (const line of expected) produced.add(line.split(' ', 1)[0] ?? '')
  }
  const asserted = codesIn([...filesIn('src', isTest), ...filesIn('test', isTest), ...filesIn('test/golden', () => true)])

  assert.deepEqual(
    codes.filter((code) => !produced.has(code) && !asserted.has(code)),
    [],
  )
})

/** What an example that is a fragment may be a part of: any kind, beside services and workloads for it to speak of. */
const SURROUNDINGS = `
apiVersion: v1
kind: Service
metadata: {name: reviews}
spec: {selector: {app: reviews}, ports: [{name: http, port: 80, targetPort: 9080}, {name: http-admin, port: 81, targetPort: 9080}]}
---
apiVersion: v1
kind: Service
metadata: {name: tcp}
spec: {selector: {app: reviews}, ports: [{name: tcp, port: 80, targetPort: 9080}]}
---
apiVersion: lateen.dev/v1alpha1
kind: LocalWorkload
metadata: {name: reviews, labels: {app: reviews, version: v1}}
spec: {command: [x], ports: [{name: http, containerPort: 9080}]}
---
apiVersion: networking.istio.io/v1
kind: Gateway
metadata: {name: edge}
spec: {selector: {app: reviews}, servers: [{port: {number: 80, name: http, protocol: HTTP}, hosts: ["*.example.com"]}]}
---
`

function codesOf(text: string): readonly string[] {
  return findAll([{ name: 'example.yaml', text: `${SURROUNDINGS}${text}` }], 'default').map(({ code }) => code)
}

/** The example as a whole object, of each kind that it could be of. */
function* wholeExamples(example: string): Generator<string> {
  if (/^kind: \w/m.test(example)) {
    yield example
    return
  }
  for (const info of kinds) {
    const metadata = /^metadata:/m.test(example) ? '' : '\nmetadata: {name: example}'
    const body = /^\w+:/m.test(example) ? example : `spec: {${example}}`
    yield `apiVersion: ${apiVersionsOf(info)[0]}\nkind: ${info.kind}${metadata}\n${body.replace(/^servers:(.*)$/m, 'spec: {servers:$1}')}`
  }
}

test('the example of each code produces the code', () => {
  const wrong = entries.flatMap(([code, { example }]) => {
    // An example that tells of several objects in a comment is told in whole by the corpus; what happens to a running mesh, by ingest's tests.
    if (example.startsWith('# ') || example.includes('# and so on') || code === 'LTN0108') return []
    return [...wholeExamples(example)].some((text) => codesOf(text).includes(code)) ? [] : [`${code}: ${example}`]
  })

  assert.deepEqual(wrong, [])
})

test('texts of the catalogue are sentences that a reader can use', () => {
  for (const [code, { what, why, fix, title }] of entries) {
    assert.match(code, /^LTN\d{4}$/)
    assert.doesNotMatch(what, /\.$/, `${code}: the message is closed by whoever prints it`)
    for (const text of [why, fix]) assert.match(text, /[.?]$/, `${code}: '${text}' needs its full stop`)
    assert.match(title, /^[A-Z][^{}]*[^.]$/, `${code}: a heading has no placeholder and no full stop`)
  }
})
