import assert from 'node:assert/strict'
import { test } from 'node:test'
import { checkApiObject } from '../../src/api/check-object.ts'
import { defaultsInForce, fieldsAtStockEnvoys, fieldsInForce, fieldsNotInForce } from '../../src/api/in-force.ts'
import { apiVersionsOf, type KindInfo, kinds, schemaOf } from '../../src/api/kinds.ts'
import type { SchemaNode } from '../../src/api/schema/schema-node.ts'
import { stockFields } from '../../src/api/stock-fields.ts'

/** A value that a leaf may have, as far as its type says. */
function sample(node: SchemaNode): unknown {
  if (node.durationMinMs !== undefined) return '1s'
  if (node.enum !== undefined) return node.enum[0]
  if (node.intOrString === true || node.type === 'integer' || node.type === 'number') return Math.max(node.minimum ?? 1, 1)
  if (node.type === 'boolean') return true
  if (node.type === 'object') return {}
  return 'a'
}

/** The spec in which only the field of the pattern is set: `http[].retries.attempts` -> {http: [{retries: {attempts: 1}}]}. */
function specWith(schema: SchemaNode, pattern: string): unknown {
  if (pattern === '') return sample(schema)
  if (pattern.startsWith('[]')) return [specWith(schema.items ?? {}, pattern.slice(2))]
  if (pattern.startsWith('{}')) return { a: specWith(schema.values ?? {}, pattern.slice(2)) }
  const [, name = '', rest = ''] = /^\.?([\w-]+)(.*)$/.exec(pattern) ?? []
  return { [name]: specWith(schema.properties?.[name] ?? {}, rest) }
}

function codesFor(info: KindInfo, spec: unknown): readonly string[] {
  const value = { apiVersion: apiVersionsOf(info)[0], kind: info.kind, metadata: { name: 'a' }, spec }
  return checkApiObject(value, () => undefined, undefined, { defaultNamespace: 'default' }).findings.map(({ code }) => code)
}

for (const info of kinds) {
  const spec = schemaOf(info).properties?.spec ?? {}

  test(`${info.kind}: every field that is not in force yields a Finding when it is set`, () => {
    for (const pattern of fieldsNotInForce(info, schemaOf(info))) {
      if (Object.hasOwn(defaultsInForce[info.kind] ?? {}, pattern)) continue
      const codes = codesFor(info, specWith(spec, pattern))
      assert.ok(
        codes.some((code) => ['LTN0102', 'LTN0103', 'LTN0104', 'LTN0147'].includes(code)),
        `spec.${pattern} is set and nothing is said`,
      )
    }
  })

  test(`${info.kind}: every field that only stock Envoys do yields a Finding that says so`, () => {
    for (const pattern of fieldsAtStockEnvoys(info, schemaOf(info))) {
      if (Object.hasOwn(defaultsInForce[info.kind] ?? {}, pattern)) continue
      assert.ok(codesFor(info, specWith(spec, pattern)).includes('LTN0121'), `spec.${pattern} is set and nothing is said`)
    }
    for (const pattern of Object.keys(stockFields[info.kind] ?? {}))
      assert.ok(fieldExists(spec, pattern), `${pattern} is not in the schema`)
  })

  test(`${info.kind}: every field in force exists, and setting it says nothing of 'not in force'`, () => {
    for (const pattern of fieldsInForce[info.kind] ?? []) {
      assert.ok(fieldExists(spec, pattern), `${pattern} is in force but not in the schema`)
      assert.ok(!codesFor(info, specWith(spec, pattern)).includes('LTN0102'), `spec.${pattern} is in force`)
    }
  })
}

function fieldExists(schema: SchemaNode | undefined, pattern: string): boolean {
  if (schema === undefined) return false
  if (pattern === '') return true
  if (pattern.startsWith('[]')) return fieldExists(schema.items, pattern.slice(2))
  if (pattern.startsWith('{}')) return fieldExists(schema.values, pattern.slice(2))
  const [, name = '', rest = ''] = /^\.?([\w-]+)(.*)$/.exec(pattern) ?? []
  return fieldExists(schema.properties?.[name], rest)
}
