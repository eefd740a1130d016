import assert from 'node:assert/strict'
import { test } from 'node:test'
import { kinds, schemaOf } from '../kinds.ts'
import { celTwins } from './cel-twins.ts'
import type { SchemaNode } from './schema-node.ts'

function rulesIn(node: SchemaNode, found: Set<string>): Set<string> {
  for (const { rule } of node.rules ?? []) found.add(rule)
  for (const child of [node.items, node.values, ...Object.values(node.properties ?? {})]) if (child !== undefined) rulesIn(child, found)
  return found
}

test('every CEL rule of the CRDs has a twin, and every twin a rule', () => {
  const rules = new Set<string>()
  for (const info of kinds) rulesIn(schemaOf(info), rules)

  assert.deepEqual([...rules].sort(), Object.keys(celTwins).sort())
})

test('a port map key must be a port', () => {
  const twin = celTwins['self.all(key, 0 < int(key) && int(key) <= 65535)']

  assert.equal(twin?.({ 8080: {} }), true)
  assert.equal(twin?.({ 0: {} }), false)
  assert.equal(twin?.({ http: {} }), false)
})

test('a unix socket is absolute or abstract', () => {
  const rule = Object.keys(celTwins).find((text) => text.includes('endsWith'))
  const twin = celTwins[rule ?? '']

  assert.equal(twin?.({ address: 'unix:///run/app.sock' }), true)
  assert.equal(twin?.({ address: 'unix://@app' }), true)
  assert.equal(twin?.({ address: 'unix://run/app.sock' }), false)
  assert.equal(twin?.({ address: 'unix:///run/' }), false)
  assert.equal(twin?.({ address: '10.0.0.1' }), true)
})
