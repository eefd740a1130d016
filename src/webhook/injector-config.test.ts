import assert from 'node:assert/strict'
import { readFileSync } from 'node:fs'
import { test } from 'node:test'
import { ANNOTATIONS } from './annotations.ts'
import { CONFIG_FIELDS } from './config-fields.ts'
import { defaultInjectorConfig, isQuantity, readInjectorConfig } from './injector-config.ts'
import { haveNativeSidecars } from './native-sidecars.ts'
import { PROXY_CONFIG_FIELDS } from './proxy-config.ts'

const page = readFileSync(new URL('../../docs/injection.md', import.meta.url), 'utf8')

test('an empty file is the defaults', () => {
  const read = readInjectorConfig('')
  assert.ok(read.ok)
  assert.deepEqual(read.value, defaultInjectorConfig())
})

test('what a file says is over the defaults, level by level', () => {
  const read = readInjectorConfig('image: a/b:1\nresources: {requests: {cpu: 1}}\nnativeSidecar: true\ncontrolPlane: {address: "a:1"}')
  assert.ok(read.ok)
  const { image, resources, nativeSidecar, controlPlane } = read.value
  assert.deepEqual(resources, { requests: { cpu: 1 }, limits: defaultInjectorConfig().resources.limits })
  assert.deepEqual([image, nativeSidecar, controlPlane], ['a/b:1', 'true', { address: 'a:1', name: '' }])
})

test('every mistake is named, with its place', () => {
  const read = readInjectorConfig(`imagee: a
statusPort: 70000
capture: maybe
resources: {request: {cpu: 1}}
resources2: {}
drainTime: soon
rewriteProbes: "true"
readinessProbe: {period: 1}
neverInjectSelector: [{matchLabel: {a: b}}]
templates: {a: 1}
initResources: {limits: {cpu: many}}
`)
  assert.ok(!read.ok)
  const paths = read.problems.map(({ path }) => path)
  const expected =
    'capture drainTime imagee initResources.limits neverInjectSelector readinessProbe resources.request resources2 rewriteProbes statusPort templates'
  assert.deepEqual(paths.sort(), expected.split(' '))
  assert.match(read.problems.find(({ path }) => path === 'imagee')?.message ?? '', /did you mean 'image'/)
})

test('text that is no mapping is refused', () => {
  assert.ok(!readInjectorConfig('- a').ok)
  assert.ok(!readInjectorConfig('a: [').ok)
})

test('quantities are those of Kubernetes', () => {
  for (const good of ['1', '100m', '128Mi', '1.5', '.5', '1e3', '2G', '+1']) assert.ok(isQuantity(good), good)
  for (const bad of ['', 'lots', '1 Gi', '1mi', '1GiB']) assert.ok(!isQuantity(bad), bad)
})

test('one node without native sidecars is enough for no', () => {
  assert.equal(haveNativeSidecars(['v1.34.4', 'v1.29.0-eks-1']), true)
  assert.equal(haveNativeSidecars(['v1.34.4', 'v1.28.15']), false)
  assert.equal(haveNativeSidecars([]), false)
  assert.equal(haveNativeSidecars(['unknown']), false)
})

test('docs/injection.md has a line for every field, annotation and field of ProxyConfig, and for nothing else', () => {
  const listed = [...page.matchAll(/^\| `([^`]+)` \|/gm)].map(([, name]) => name)
  const known = [
    ...CONFIG_FIELDS.map(({ name }) => name),
    ...ANNOTATIONS.map(({ name }) => name),
    ...PROXY_CONFIG_FIELDS.honoured,
    ...Object.keys(PROXY_CONFIG_FIELDS.notHonoured),
  ]
  assert.deepEqual(listed.sort(), known.sort())
})

test('docs/injection.md shows the defaults', () => {
  for (const { name, initial } of CONFIG_FIELDS) {
    const row = page.split('\n').find((line) => line.startsWith(`| \`${name}\` |`) && line.split('|').length === 5)
    assert.ok(row?.includes(initial === '' ? 'empty' : `\`${JSON.stringify(initial)}\``), `${name}: ${row}`)
  }
})
