// Checks a value against a kind's schema and reports every problem with its path. Called by check-object.ts.
// Our own walker and not a JSON Schema library, because each problem must name the field, its alternatives and the nearest known word,
// and a schema costs nothing until a value reaches it.
import { parseDurationMs } from '../../base/duration.ts'
import { suggest } from '../../base/suggest.ts'
import type { FieldPath } from '../field-path.ts'
import { isRecord } from '../record.ts'
import type { Report } from '../report.ts'
import { celTwins } from './cel-twins.ts'
import type { OneOf, SchemaNode } from './schema-node.ts'

export function checkValue(value: unknown, schema: SchemaNode, path: FieldPath, report: Report): void {
  if (value === null && schema.nullable === true) return
  if (schema.intOrString === true) {
    if (typeof value !== 'string' && !Number.isInteger(value)) wrongType('a number or a string', value, path, report)
    return
  }
  if (schema.durationMinMs !== undefined) return checkDuration(value, schema.durationMinMs, path, report)
  switch (schema.type) {
    case 'object':
      return isRecord(value) ? checkObject(value, schema, path, report) : wrongType('a mapping', value, path, report)
    case 'array':
      return Array.isArray(value) ? checkArray(value, schema, path, report) : wrongType('a list', value, path, report)
    case 'string':
      return typeof value === 'string' ? checkString(value, schema, path, report) : wrongType('a string', value, path, report)
    case 'boolean':
      return typeof value === 'boolean' ? undefined : wrongType('true or false', value, path, report)
    case 'integer':
      return Number.isInteger(value) ? checkNumber(Number(value), schema, path, report) : wrongType('an integer', value, path, report)
    case 'number':
      return typeof value === 'number' ? checkNumber(value, schema, path, report) : wrongType('a number', value, path, report)
    case undefined:
      return
  }
}

function checkObject(value: Readonly<Record<string, unknown>>, schema: SchemaNode, path: FieldPath, report: Report): void {
  for (const field of schema.required ?? []) if (!(field in value)) report('LTN0111', [...path, field], { field })
  for (const group of schema.oneOf ?? []) checkOneOf(value, group, path, report)
  checkSize(Object.keys(value).length, schema.minProperties, schema.maxProperties, 'entries', path, report)
  for (const [field, inner] of Object.entries(value)) {
    const child = ownProperty(schema.properties, field) ?? schema.values
    if (child !== undefined) checkValue(inner, child, [...path, field], report)
    else if (schema.open !== true) unknownField(field, schema, path, report)
  }
  checkRules(value, schema, path, report)
}

/** A field may be called 'constructor': only a schema's own properties count. */
export function ownProperty<T>(properties: Readonly<Record<string, T>> | undefined, name: string): T | undefined {
  return properties !== undefined && Object.hasOwn(properties, name) ? properties[name] : undefined
}

function unknownField(field: string, schema: SchemaNode, path: FieldPath, report: Report): void {
  const known = Object.keys(schema.properties ?? {})
  const list = known.length === 0 ? 'none' : known.join(', ')
  report('LTN0110', [...path, field], { field, suggestion: didYouMean(field, known), known: list }, 'key')
}

/** `; did you mean 'route'?`, or nothing. */
export function didYouMean(word: string, known: Iterable<string>): string {
  const nearest = suggest(word, known)
  return nearest === undefined ? '' : `; did you mean '${nearest}'?`
}

function checkOneOf(value: Readonly<Record<string, unknown>>, group: OneOf, path: FieldPath, report: Report): void {
  const found = group.fields.filter((field) => field in value)
  const alternatives = group.fields.join(', ')
  const [, second] = found
  if (second !== undefined) report('LTN0114', [...path, second], { alternatives, found: found.join(' and ') }, 'key')
  if (found.length === 0 && group.required) report('LTN0115', path, { alternatives }, 'key')
}

function checkArray(value: readonly unknown[], schema: SchemaNode, path: FieldPath, report: Report): void {
  checkSize(value.length, schema.minItems, schema.maxItems, 'entries', path, report)
  const { items } = schema
  if (items !== undefined) value.forEach((item, index) => void checkValue(item, items, [...path, index], report))
  if (schema.listKeys !== undefined) checkListKeys(value, schema.listKeys, path, report)
  checkRules(value, schema, path, report)
}

function checkListKeys(value: readonly unknown[], keys: readonly string[], path: FieldPath, report: Report): void {
  const seen = new Map<string, number>()
  value.forEach((item, index) => {
    if (!isRecord(item)) return
    const key = keys.map((name) => String(item[name] ?? LIST_KEY_DEFAULTS[name] ?? '')).join('/')
    const first = seen.get(key)
    if (first === undefined) seen.set(key, index)
    else report('LTN0120', [...path, index], { value: key, first: `[${first}]` })
  })
}

/** Kubernetes fills these in before it compares the entries of a Service's ports. */
const LIST_KEY_DEFAULTS: Readonly<Record<string, string>> = { protocol: 'TCP' }

function checkString(value: string, schema: SchemaNode, path: FieldPath, report: Report): void {
  if (schema.enum !== undefined && !schema.enum.includes(value)) {
    report('LTN0113', path, { value, suggestion: didYouMean(value, schema.enum), allowed: schema.enum.join(', ') })
    return
  }
  checkSize([...value].length, schema.minLength, schema.maxLength, 'characters', path, report)
  if (schema.pattern !== undefined && !patternOf(schema.pattern).test(value)) report('LTN0118', path, { value, pattern: schema.pattern })
  if (schema.format === 'byte' && !BASE64.test(value)) report('LTN0118', path, { value: value.slice(0, 40), pattern: 'base64' })
  checkRules(value, schema, path, report)
}

const BASE64 = /^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$/
const patterns = new Map<string, RegExp>()

/** Patterns come from our own CRDs, never from a user. */
function patternOf(source: string): RegExp {
  const known = patterns.get(source)
  if (known !== undefined) return known
  const made = new RegExp(source, 'u')
  patterns.set(source, made)
  return made
}

function checkNumber(value: number, { minimum, maximum, exclusiveMinimum }: SchemaNode, path: FieldPath, report: Report): void {
  if (minimum !== undefined && exclusiveMinimum === true && value <= minimum)
    report('LTN0117', path, { value, bound: `more than ${minimum}` })
  else if (minimum !== undefined && value < minimum) report('LTN0117', path, { value, bound: `at least ${minimum}` })
  if (maximum !== undefined && value > maximum) report('LTN0117', path, { value, bound: `at most ${maximum}` })
}

function checkDuration(value: unknown, minimumMs: number, path: FieldPath, report: Report): void {
  const minimum = minimumMs === 0 ? '0s' : `${minimumMs}ms`
  if (typeof value === 'string') {
    const parsed = parseDurationMs(value)
    if (parsed.ok && parsed.value >= minimumMs && value.length <= MAX_DURATION_LENGTH) return
  }
  report('LTN0116', path, { value: typeof value === 'object' ? describe(value) : String(value).slice(0, 80), minimum })
}

const MAX_DURATION_LENGTH = 64

function checkSize(size: number, min: number | undefined, max: number | undefined, unit: string, path: FieldPath, report: Report): void {
  if (min !== undefined && size < min) report('LTN0117', path, { value: `${size} ${unit}`, bound: `at least ${min}` })
  if (max !== undefined && size > max) report('LTN0117', path, { value: `${size} ${unit}`, bound: `at most ${max}` })
}

function checkRules(value: unknown, schema: SchemaNode, path: FieldPath, report: Report): void {
  for (const { rule, message } of schema.rules ?? []) {
    const twin = celTwins[rule]
    if (twin !== undefined && !twin(value)) report('LTN0119', path, { rule: message })
  }
}

function wrongType(expected: string, value: unknown, path: FieldPath, report: Report): void {
  const quoted = expected === 'a string' && (typeof value === 'number' || typeof value === 'boolean') ? ` (write "${value}" in quotes)` : ''
  report('LTN0112', path, { expected: `${expected}${quoted}`, found: describe(value) })
}

export function describe(value: unknown): string {
  if (value === null) return 'nothing (null)'
  if (Array.isArray(value)) return 'a list'
  if (typeof value === 'object') return 'a mapping'
  if (typeof value === 'string') return `the string '${value.slice(0, 40)}'`
  return `the ${typeof value} ${String(value)}`
}
