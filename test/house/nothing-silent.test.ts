// Every field in force does something: setting it, to some value that is accepted, changes what proxies get or yields a Finding. A field in
// force everywhere changes what stock Envoys get and what our own proxies get, one in force at stock Envoys what those get. The fields that
// are not in force are in-force.test.ts's. The schemas are walked, so that a field cannot be put into force and forgotten.
import assert from 'node:assert/strict'
import { test } from 'node:test'
import { parseAllDocuments } from 'yaml'
import { checkApiObject } from '../../src/api/check-object.ts'
import { hasErrors } from '../../src/api/finding.ts'
import { fieldsInForce } from '../../src/api/in-force.ts'
import { type AnyApiObject, type KindName, kindInfo, kinds, schemaOf } from '../../src/api/kinds.ts'
import { isRecord } from '../../src/api/record.ts'
import type { SchemaNode } from '../../src/api/schema/schema-node.ts'
import { stockFields } from '../../src/api/stock-fields.ts'
import { compileRegex } from '../../src/base/regex.ts'
import { MESH, SILENT_BY_NATURE, valuesFor } from './nothing-silent-mesh.ts'
import { createOutcomes } from './outcome.ts'

const documents = parseAllDocuments(MESH).map((document): unknown => document.toJS())
const base = documents.map((value) => read(value))
const outcomeOf = createOutcomes()
const before = outcomeOf(base.flatMap(({ object }) => object ?? []))

interface Read {
  readonly object: AnyApiObject | undefined
  readonly findings: readonly string[]
  readonly refused: boolean
}

function read(value: unknown): Read {
  const { object, findings } = checkApiObject(value, () => undefined, undefined, { defaultNamespace: 'default', compileRegex })
  // That a field is for stock Envoys is no answer to whether they are sent it.
  const answers = findings.filter(({ code }) => !['LTN0121'].includes(code))
  return { object, findings: answers.map(({ code, path }) => `${code} ${path}`), refused: hasErrors(findings) }
}

/** Leaves at or below the pattern: `http[].match[].uri` -> its exact, prefix and regex. */
function leavesOf(node: SchemaNode, pattern: string): readonly string[] {
  if (node.items !== undefined) return leavesOf(node.items, `${pattern}[]`)
  if (node.values !== undefined) return leavesOf(node.values, `${pattern}{}`)
  const fields = Object.entries(node.properties ?? {})
  if (fields.length === 0) return [pattern]
  return fields.flatMap(([name, child]) => leavesOf(child, pattern === '' ? name : `${pattern}.${name}`))
}

function nodeAt(schema: SchemaNode, steps: readonly string[]): SchemaNode {
  return steps.reduce<SchemaNode>(
    (node, step) => (step === '[]' ? node.items : step === '{}' ? node.values : node.properties?.[step]) ?? {},
    schema,
  )
}

/** The value with the field set in the first entry of every list on the way; what is not there is made. */
function withField(value: unknown, steps: readonly string[], wanted: unknown): unknown {
  const [step, ...rest] = steps
  if (step === undefined) return wanted
  if (step === '[]') {
    const list: readonly unknown[] = Array.isArray(value) ? value : []
    return [withField(list[0], rest, wanted), ...list.slice(1)]
  }
  const record = isRecord(value) ? value : {}
  const name = step === '{}' ? (Object.keys(record)[0] ?? 'a') : step
  return { ...record, [name]: withField(record[name], rest, wanted) }
}

interface Verdict {
  readonly answer: 'effect' | 'silent' | 'refused'
  /** Whom the change reaches; a Finding reaches everybody. */
  readonly stock: boolean
  readonly ours: boolean
}

const REFUSED: Verdict = { answer: 'refused', stock: false, ours: false }
const SAID: Verdict = { answer: 'effect', stock: true, ours: true }

function verdictOf(index: number, steps: readonly string[], wanted: unknown): Verdict {
  const value = documents[index]
  if (!isRecord(value)) return REFUSED
  const changed = read({ ...value, spec: withField(value.spec, steps, wanted) })
  if (changed.object === undefined || changed.refused) return REFUSED
  const known = base[index]
  if (changed.findings.some((line) => known?.findings.includes(line) !== true)) return SAID
  const after = outcomeOf(base.flatMap(({ object }, at) => (at === index ? changed.object : object) ?? []))
  if (after.findings !== before.findings) return SAID
  const stock = after.stock !== before.stock
  const ours = after.ours !== before.ours
  return { answer: stock || ours ? 'effect' : 'silent', stock, ours }
}

function fieldsOf(kind: KindName): readonly string[] {
  return [...(fieldsInForce[kind] ?? []), ...Object.keys(stockFields[kind] ?? {})]
}

/** Leaf -> whom it does not reach although it is in force there. */
function silentLeaves(kind: KindName, schema: SchemaNode): readonly string[] {
  const atStockAlone = new Set(leavesOfAll(Object.keys(stockFields[kind] ?? {}), schema))
  const places = documents.flatMap((value, index) => (isRecord(value) && value.kind === kind ? [index] : []))
  return [...new Set(leavesOfAll(fieldsOf(kind), schema))].flatMap((leaf) => {
    if (SILENT_BY_NATURE[`${kind} ${leaf}`] !== undefined) return []
    const missed = missedBy(leaf, nodeAt(schema, stepsOf(leaf)), places, atStockAlone.has(leaf))
    return missed === undefined ? [] : [`${leaf}: ${missed}`]
  })
}

/** Undefined: it reaches all that it should. */
function missedBy(leaf: string, node: SchemaNode, places: readonly number[], atStockAlone: boolean): string | undefined {
  let isAccepted = false
  let stock = false
  let ours = atStockAlone
  // Refused everywhere is a Finding too; but an accepted value must do something somewhere.
  for (const index of likeliestFirst(places, stepsOf(leaf))) {
    for (const wanted of valuesFor(node, leaf)) {
      const verdict = verdictOf(index, stepsOf(leaf), wanted)
      isAccepted ||= verdict.answer !== 'refused'
      stock ||= verdict.stock
      ours ||= verdict.ours
      if (stock && ours) return undefined
    }
  }
  if (!isAccepted) return undefined
  return stock ? 'not sent to our own proxies' : 'not sent to stock Envoys'
}

/** Where the most of the way to the field is there, it does something soonest. */
function likeliestFirst(places: readonly number[], steps: readonly string[]): readonly number[] {
  const known = new Map(places.map((index) => [index, stepsInto(documents[index], ['spec', ...steps])]))
  return [...places].sort((a, b) => (known.get(b) ?? 0) - (known.get(a) ?? 0))
}

function stepsInto(value: unknown, [step, ...rest]: readonly string[]): number {
  const inner: unknown = Array.isArray(value) && step === '[]' ? value[0] : isRecord(value) && step !== undefined ? value[step] : undefined
  return inner === undefined ? 0 : 1 + stepsInto(inner, rest)
}

function leavesOfAll(patterns: readonly string[], schema: SchemaNode): readonly string[] {
  return patterns.flatMap((pattern) => leavesOf(nodeAt(schema, stepsOf(pattern)), pattern))
}

function stepsOf(pattern: string): readonly string[] {
  return pattern.match(/\[\]|\{\}|[\w-]+/g) ?? []
}

for (const { kind } of kinds) {
  if (fieldsOf(kind).length === 0) continue
  test(`${kind}: whatever is in force changes what proxies get, or yields a Finding`, () => {
    const info = kindInfo(kind)
    assert.ok(info !== undefined)
    assert.deepEqual(silentLeaves(kind, schemaOf(info).properties?.spec ?? {}), [])
  })
}
