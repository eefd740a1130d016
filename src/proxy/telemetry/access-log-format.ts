// Envoy's access log formats, text and JSON, compiled once to a list of segments. Called by the decoders (to check), by the recorder
// (a line per request) and for header values with operators.
// Invariant: a line of a text format holds no line break that the format did not write; a JSON line is one valid JSON object.
import type { Problem } from '../../base/result.ts'
import type { AccessLog } from '../config/proxy-config.ts'
import { compileOperator, type FormatOperator, type FormatValue } from './format-operators.ts'
import type { Outcome } from './outcome.ts'

export type LineWriter = (outcome: Outcome) => string

/** A log's line for an outcome. Operators that are not known print '-': the decoder has refused them or was told to let them pass. */
export function compileAccessLog(log: AccessLog): LineWriter {
  return log.format.kind === 'text'
    ? compileText(log.format.template, log.omitsEmptyValues ? '' : '-')
    : compileJsonLine(log.format.template, log.omitsEmptyValues)
}

/** A header value with operators; what is missing is left empty, as in Envoy. */
export function compileHeaderFormat(template: string): LineWriter {
  return compileText(template, '')
}

export function checkTextFormat(template: string): readonly Problem[] {
  return parse(template).problems
}

export function checkJsonTemplate(template: Readonly<Record<string, unknown>>, path = ''): readonly Problem[] {
  return Object.entries(template).flatMap(([key, value]) => checkJsonValue(value, `${path}["${key}"]`))
}

function checkJsonValue(value: unknown, path: string): readonly Problem[] {
  if (typeof value === 'string') return parse(value).problems.map(({ message }) => ({ path, message }))
  if (Array.isArray(value)) return value.flatMap((each, index) => checkJsonValue(each, `${path}[${index}]`))
  return isObject(value) ? checkJsonTemplate(value, path) : []
}

type Segment = string | FormatOperator

const OPERATOR = /%(?:([A-Z][A-Z0-9_]*)(?:\(([^)]*)\))?(?::(\d+))?%|%)/y

function parse(template: string): { readonly segments: readonly Segment[]; readonly problems: readonly Problem[] } {
  const segments: Segment[] = []
  const problems: Problem[] = []
  let literal = ''
  let position = 0
  while (position < template.length) {
    const percent = template.indexOf('%', position)
    if (percent < 0) {
      literal += template.slice(position)
      break
    }
    literal += template.slice(position, percent)
    OPERATOR.lastIndex = percent
    const match = OPERATOR.exec(template)
    if (match === null) {
      problems.push({
        path: '',
        message: `'${template.slice(percent, percent + 24)}' is not a format operator; write '%%' for a percent sign`,
      })
      literal += '%'
      position = percent + 1
      continue
    }
    position = OPERATOR.lastIndex
    const [, name, argument, length] = match
    if (name === undefined) {
      literal += '%'
      continue
    }
    const operator = compileOperator(name, argument, length === undefined ? undefined : Number(length))
    if (!operator.ok) problems.push(...operator.problems)
    if (literal !== '') segments.push(literal)
    literal = ''
    segments.push(operator.ok ? operator.value : () => undefined)
  }
  if (literal !== '') segments.push(literal)
  return { segments, problems }
}

function compileText(template: string, missing: string): LineWriter {
  const { segments } = parse(template)
  return (outcome) => {
    let line = ''
    for (let index = 0; index < segments.length; index++) {
      const segment = segments[index]
      if (typeof segment === 'string') line += segment
      else if (segment !== undefined) {
        const value = segment(outcome)
        line += value === undefined || value === '' ? missing : value
      }
    }
    return line
  }
}

/** A JSON value as text, or undefined when it is to be left out. */
type JsonWriter = (outcome: Outcome) => string | undefined

function compileJsonLine(template: Readonly<Record<string, unknown>>, omitsEmpty: boolean): LineWriter {
  const write = compileJsonObject(template, omitsEmpty)
  return (outcome) => `${write(outcome) ?? '{}'}\n`
}

function compileJsonObject(template: Readonly<Record<string, unknown>>, omitsEmpty: boolean): JsonWriter {
  // Envoy prints them sorted: a Struct keeps no order.
  const sorted = Object.entries(template).sort(([a], [b]) => (a < b ? -1 : 1))
  const fields = sorted.map(([key, value]) => ({
    key: `${JSON.stringify(key)}:`,
    write: compileJsonValue(value, omitsEmpty),
  }))
  return (outcome) => {
    let text = ''
    for (const { key, write } of fields) {
      const value = write(outcome)
      if (value !== undefined) text += `${text === '' ? '' : ','}${key}${value}`
    }
    return `{${text}}`
  }
}

function compileJsonValue(value: unknown, omitsEmpty: boolean): JsonWriter {
  if (typeof value === 'string') return compileJsonString(value, omitsEmpty)
  if (Array.isArray(value)) {
    const items = value.map((each) => compileJsonValue(each, omitsEmpty))
    return (outcome) => `[${items.map((item) => item(outcome) ?? 'null').join(',')}]`
  }
  if (isObject(value)) return compileJsonObject(value, omitsEmpty)
  const constant = JSON.stringify(value ?? null)
  return () => constant
}

/** A lone operator keeps its type (a number stays a number, nothing is null); text around it makes it a string. */
function compileJsonString(template: string, omitsEmpty: boolean): JsonWriter {
  const { segments } = parse(template)
  const [only] = segments
  if (segments.length === 1 && typeof only === 'function') {
    return (outcome) => {
      const value = only(outcome)
      if (isMissing(value)) return omitsEmpty ? undefined : 'null'
      return typeof value === 'number' ? String(value) : JSON.stringify(value)
    }
  }
  const write = compileText(template, omitsEmpty ? '' : '-')
  return (outcome) => JSON.stringify(write(outcome))
}

function isMissing(value: FormatValue): boolean {
  return value === undefined || value === ''
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
