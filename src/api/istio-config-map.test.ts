// Istio's ConfigMap is read as a MeshConfig, with the places of its fields.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { fieldFinder, readYaml } from './read-yaml.ts'

const options = { defaultNamespace: 'default' }
const MAP = `apiVersion: v1
kind: ConfigMap
metadata:
  name: istio
  namespace: istio-system
data:
  mesh: |-
    # as Helm writes it
    accessLogFile: /dev/stdout
    outboundTrafficPolicy:
      mode: REGISTRY_ONLY
    connectTimeout: 3s
  meshNetworks: 'networks: {}'
`

test('the text of the ConfigMap is the spec of a MeshConfig', () => {
  const { objects, broken } = readYaml(MAP, 'istio.yaml', options)
  assert.equal(broken, false)
  const [object] = objects
  assert.deepEqual([object?.kind, object?.metadata.namespace, object?.metadata.name], ['MeshConfig', 'istio-system', 'istio'])
  assert.deepEqual(object?.spec, { accessLogFile: '/dev/stdout', outboundTrafficPolicy: { mode: 'REGISTRY_ONLY' }, connectTimeout: '3s' })
})

test('a field that is not known is said at its place', () => {
  const { findings, broken } = readYaml(`---\n${MAP.replace('mode: REG', 'mod: REG')}`, 'istio.yaml', options)
  assert.equal(broken, true)
  const [found] = findings
  assert.equal(found?.code, 'LTN0110')
  assert.equal(found?.path, 'spec.outboundTrafficPolicy.mod')
  assert.deepEqual(found?.position, { file: 'istio.yaml', line: 12, column: 7 })
})

test('in a List, and when a later stage asks, places are the same', () => {
  const list = `apiVersion: v1\nkind: List\nitems:\n${MAP.trimEnd().replace(/^/gm, '  ').replace(/^ {2}/, '- ')}\n`
  for (const [text, place] of [
    [MAP, { file: 'f', line: 12, column: 21 }],
    [list, { file: 'f', line: 15, column: 23 }],
  ] as const) {
    const [object] = readYaml(text, 'f', options).objects
    assert.ok(object?.source !== undefined)
    const found = fieldFinder(text)(object.source, ['spec', 'connectTimeout'])
    const line = text.split('\n')[place.line - 1]
    assert.ok(line?.includes('connectTimeout'), line)
    assert.deepEqual(found, place)
  }
})

test('a text that is not readable is said, with its line', () => {
  const { findings, objects, broken } = readYaml(MAP.replace('connectTimeout: 3s', 'connectTimeout: [3s'), 'f', options)
  assert.deepEqual([objects, broken], [[], true])
  assert.equal(findings[0]?.code, 'LTN0101')
  assert.ok((findings[0]?.position?.line ?? 0) >= 12)
})

test('a quoted text and JSON are read too, at the place of the whole text', () => {
  const quoted = MAP.replace(/ {2}mesh: \|-[\s\S]*3s\n/, '  mesh: "accessLogFile: /dev/stdout\\nconectTimeout: 3s\\n"\n')
  const [found] = readYaml(quoted, 'f', options).findings
  assert.deepEqual([found?.path, found?.position?.line], ['spec.conectTimeout', 7])
})

test('an empty text is the default mesh, and networks of several clusters are said to be not in force', () => {
  const empty = MAP.replace(/mesh: \|-[\s\S]*3s\n/, 'mesh: ""\n').replace('networks: {}', 'networks: {a: {}}')
  const { objects, findings } = readYaml(empty, 'f', options)
  assert.deepEqual(objects[0]?.spec, {})
  assert.deepEqual(
    findings.map(({ code, path }) => `${code} ${path}`),
    ['LTN0102 data.meshNetworks'],
  )
})

test('another ConfigMap is none of ours', () => {
  for (const other of [MAP.replace('name: istio\n', 'name: settings\n'), MAP.replace('  mesh:', '  other:')]) {
    assert.deepEqual(
      readYaml(other, 'f', options).findings.map(({ code }) => code),
      ['LTN0105'],
    )
  }
})
